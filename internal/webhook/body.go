package webhook

import (
	"bytes"
	"errors"
	"io"
	"net/http"
)

// body is what has been read of a request's body.
type body struct {
	limits *limits
	text   []byte
	// shared is how much of the limits' sharedBody it has.
	shared int64
}

// from reads the body of a request whole. It takes memory only for what has come, so
// that a client cannot keep any by saying that it will send much.
func (b *body) from(request *http.Request) error {
	if request.ContentLength > maxBody {
		return errLarge
	}
	if request.Body == nil {
		return nil
	}
	for {
		if err := b.grow(); err != nil {
			return err
		}
		count, err := request.Body.Read(b.text[len(b.text):cap(b.text)])
		b.text = b.text[:len(b.text)+count]
		switch {
		case len(b.text) > maxBody:
			return errLarge
		case errors.Is(err, io.EOF):
			return checkForm(b.text)
		case err != nil:
			return errors.New("the request did not come in full, or not in time")
		}
	}
}

// firstBody is what a body takes at the beginning.
const firstBody = 4 << 10

// grow makes room for more, if there is none.
func (b *body) grow() error {
	if len(b.text) < cap(b.text) {
		return nil
	}
	size := max(firstBody, 2*cap(b.text))
	beyond := int64(max(0, size-ownBody)) - b.shared
	if b.limits.taken.Add(beyond) > sharedBody {
		b.limits.taken.Add(-beyond)
		return errBusy
	}
	b.shared += beyond
	b.text = append(make([]byte, 0, size), b.text...)
	return nil
}

// free gives the memory back.
func (b *body) free() { b.limits.taken.Add(-b.shared) }

// checkForm refuses a text that is no JSON object, since the library would then take
// it for YAML, and one with more values than any Bundle. Nothing at all is for the
// handler to refuse.
func checkForm(text []byte) error {
	text = bytes.TrimLeft(text, " \t\r\n")
	if len(text) == 0 {
		return nil
	}
	if text[0] != '{' {
		return errForm
	}
	if values(text) > maxValues {
		return errLarge
	}
	return nil
}

// values counts the values in JSON text, or somewhat more.
func values(text []byte) int {
	count, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			quoted = !quoted
		case '\\':
			if quoted {
				i++
			}
		case ',', '{', '[':
			if !quoted {
				count++
			}
		}
	}
	return count
}
