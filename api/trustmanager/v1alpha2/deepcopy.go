package v1alpha2

import "maps"

// The functions in this file are written by hand because controller-gen cannot
// generate a deep copy of a map whose values have an alias type, such as
// [trustv1alpha1.LabelValue].

// DeepCopyInto copies the metadata into out.
func (in *TargetMetadata) DeepCopyInto(out *TargetMetadata) {
	out.Annotations = maps.Clone(in.Annotations)
	out.Labels = maps.Clone(in.Labels)
}

// DeepCopy returns a copy of the metadata, or nil if in is nil.
func (in *TargetMetadata) DeepCopy() *TargetMetadata {
	if in == nil {
		return nil
	}
	out := new(TargetMetadata)
	in.DeepCopyInto(out)
	return out
}
