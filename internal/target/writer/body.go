package writer

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// encoderOf returns the encoder that a client uses for typed objects of a version.
func encoderOf(codecs runtime.NegotiatedSerializer, version schema.GroupVersion) (runtime.Encoder, error) {
	info, ok := runtime.SerializerInfoForMediaType(codecs.SupportedMediaTypes(), protobuf)
	if !ok {
		return nil, fmt.Errorf("no serializer for %s", protobuf)
	}
	return codecs.EncoderForVersion(info.Serializer, version), nil
}

// encodeObject encodes an object for a create or replace. The client could do so too, but
// with a second copy of the bytes: with many large objects in flight, that is much of the
// operator's peak memory.
func encodeObject(encoder runtime.Encoder, object runtime.Object) ([]byte, error) {
	var all body
	err := encoder.Encode(object, &all)
	return all, err
}

// body collects the output of an encoder. It retains the first slice that it is given,
// which the contract of io.Writer forbids: the encoders used here pass a slice that they
// have just allocated for the whole object, and do not use it again.
type body []byte

func (b *body) Write(part []byte) (int, error) {
	if *b == nil {
		*b = slices.Clip(part)
	} else {
		*b = append(*b, part...)
	}
	return len(part), nil
}
