package webhook

import (
	"bytes"
	"errors"
	"io"
	"net/http"
)

// body is the part of a request body that has been read.
type body struct {
	limiter *limiter
	text    []byte
	// reserved is the part of the limiter's shared memory that this body uses.
	reserved int64
}

// read reads the body of a request. It allocates memory only for data that has arrived,
// so a client cannot reserve memory by announcing a large body.
func (b *body) read(r *http.Request) error {
	if r.ContentLength > maxBody {
		return errTooLarge
	}
	if r.Body == nil {
		return nil
	}
	for {
		if err := b.grow(); err != nil {
			return err
		}
		n, err := r.Body.Read(b.text[len(b.text):cap(b.text)])
		b.text = b.text[:len(b.text)+n]
		switch {
		case len(b.text) > maxBody:
			return errTooLarge
		case errors.Is(err, io.EOF):
			return checkForm(b.text)
		case err != nil:
			return errors.New("the request body is incomplete or arrived too slowly")
		}
	}
}

// initialBody is the initial capacity of a body.
const initialBody = 4 << 10

// grow increases the capacity if the body is full.
func (b *body) grow() error {
	if len(b.text) < cap(b.text) {
		return nil
	}
	size := max(initialBody, 2*cap(b.text))
	extra := int64(max(0, size-ownBody)) - b.reserved
	if b.limiter.reserved.Add(extra) > sharedBody {
		b.limiter.reserved.Add(-extra)
		return errBusy
	}
	b.reserved += extra
	b.text = append(make([]byte, 0, size), b.text...)
	return nil
}

// release returns the shared memory.
func (b *body) release() { b.limiter.reserved.Add(-b.reserved) }

// checkForm rejects text that is not a JSON object, which the decoder would parse as
// YAML, and text with more values than any Bundle has. It accepts empty text, which the
// handler rejects.
func checkForm(text []byte) error {
	text = bytes.TrimLeft(text, " \t\r\n")
	if len(text) == 0 {
		return nil
	}
	if text[0] != '{' {
		return errNotObject
	}
	if countValues(text) > maxValues {
		return errTooLarge
	}
	return nil
}

// countValues returns an upper bound of the number of values in JSON text.
func countValues(text []byte) int {
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
