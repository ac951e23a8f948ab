package walk

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/model"
)

// describe tells the parts of a spec that matter.
func describe(spec v1alpha1.BundleSpec) string {
	var parts []string
	for _, one := range spec.Sources {
		parts = append(parts, describeSource(one))
	}
	text := strings.Join(parts, " + ") + describeTrust(spec)
	if spec.Target == nil {
		return text + " to nowhere"
	}
	if to := spec.Target.ConfigMap; to != nil {
		text += fmt.Sprintf(" to ConfigMap %s %v %v", to.Key, to.Metadata.Labels, to.Metadata.Annotations)
	}
	if to := spec.Target.Secret; to != nil {
		text += fmt.Sprintf(" to Secret %s %v %v", to.Key, to.Metadata.Labels, to.Metadata.Annotations)
	}
	if formats := spec.Target.AdditionalFormats; formats != nil && formats.JKS != nil {
		text += ", JKS " + ptr.Deref(formats.JKS.Password, "")
	}
	if formats := spec.Target.AdditionalFormats; formats != nil && formats.PKCS12 != nil {
		text += fmt.Sprintf(", PKCS#12 %s %s", ptr.Deref(formats.PKCS12.Password, ""), formats.PKCS12.Profile)
	}
	return text + " where " + describeSelector(spec.Target.NamespaceSelector)
}

func describeSource(from v1alpha1.BundleSource) string {
	switch {
	case from.InLine != nil:
		return fmt.Sprint("in line ", numbersIn(*from.InLine))
	case from.UseDefaultCAs != nil:
		return "default CAs"
	}
	kind, object := model.ConfigMap, from.ConfigMap
	if object == nil {
		kind, object = model.Secret, from.Secret
	}
	name := object.Name
	if name == "" {
		name = "where " + describeSelector(object.Selector)
	}
	if object.Optional {
		name += " if there"
	}
	if object.IncludeAllKeys {
		return fmt.Sprintf("%s %s all keys", kind, name)
	}
	return fmt.Sprintf("%s %s %s", kind, name, object.Key)
}

func describeSelector(selector *v1alpha1.LabelSelector) string {
	if selector == nil {
		return "anything"
	}
	return metav1.FormatLabelSelector(selector.ToMetaV1())
}
