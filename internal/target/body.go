package target

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// encoderOf gives the encoder that the client would use for whole objects.
func encoderOf(codecs runtime.NegotiatedSerializer) (runtime.Encoder, error) {
	info, ok := runtime.SerializerInfoForMediaType(codecs.SupportedMediaTypes(), protobuf)
	if !ok {
		return nil, fmt.Errorf("there is no serializer for %s", protobuf)
	}
	return codecs.EncoderForVersion(info.Serializer, corev1.SchemeGroupVersion), nil
}

// encodeWhole encodes an object that is written whole. The client would do so too,
// but with a second copy of the bytes: with many large objects under way, that is
// much of the memory that the operator needs at its peak.
func encodeWhole(encoder runtime.Encoder, object runtime.Object) ([]byte, error) {
	var all body
	err := encoder.Encode(object, &all)
	return all, err
}

// body takes what an encoder writes. It keeps the slice of the first part, which a
// Writer should not do: these encoders give what they have just allocated for the
// whole object, and use it no more.
type body []byte

func (b *body) Write(part []byte) (int, error) {
	if *b == nil {
		*b = slices.Clip(part)
	} else {
		*b = append(*b, part...)
	}
	return len(part), nil
}
