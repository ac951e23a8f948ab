package v1alpha1

import "maps"

// The functions in this file are written by hand because controller-gen cannot
// generate a deep copy of a map whose values have an alias type, such as
// [LabelValue].

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

// DeepCopyInto copies the selector into out.
func (in *LabelSelector) DeepCopyInto(out *LabelSelector) {
	out.MatchLabels = maps.Clone(in.MatchLabels)
	out.MatchExpressions = nil
	if in.MatchExpressions == nil {
		return
	}
	out.MatchExpressions = make([]LabelSelectorRequirement, len(in.MatchExpressions))
	for i := range in.MatchExpressions {
		in.MatchExpressions[i].DeepCopyInto(&out.MatchExpressions[i])
	}
}

// DeepCopy returns a copy of the selector, or nil if in is nil.
func (in *LabelSelector) DeepCopy() *LabelSelector {
	if in == nil {
		return nil
	}
	out := new(LabelSelector)
	in.DeepCopyInto(out)
	return out
}
