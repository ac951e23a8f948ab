package webhook

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"k8s.io/utils/clock"
)

// echo responds with as many bytes as the request body has.
func echo(response http.ResponseWriter, request *http.Request) {
	text, err := io.ReadAll(request.Body)
	if err != nil {
		http.Error(response, err.Error(), http.StatusInternalServerError)
		return
	}
	response.Header().Set("Content-Type", "application/json")
	response.WriteHeader(http.StatusAccepted)
	_, _ = response.Write(bytes.Repeat([]byte("x"), len(text)))
}

// Valid bodies and their responses pass unchanged. Bodies that are too large or not a JSON
// object do not reach the handler.
func TestBodies(t *testing.T) {
	t.Parallel()
	filled := func(size int) string { return `{"` + strings.Repeat("x", size-4) + `"}` }
	for name, tc := range map[string]struct {
		text string
		want int
	}{
		"nothing":                      {"", http.StatusAccepted},
		"an object":                    {`{"a": [1, "b"]}`, http.StatusAccepted},
		"an object after blanks":       {" \r\n\t{}", http.StatusAccepted},
		"as large as its own memory":   {filled(ownBody), http.StatusAccepted},
		"larger":                       {filled(ownBody + 1), http.StatusAccepted},
		"of the maximum size":          {filled(maxBody), http.StatusAccepted},
		"larger than the maximum":      {filled(maxBody + 1), http.StatusRequestEntityTooLarge},
		"the maximum number of values": {`{"a":[` + strings.Repeat("0,", maxValues-3) + "0]}", http.StatusAccepted},
		"more values":                  {`{"a":[` + strings.Repeat("0,", maxValues) + "0]}", http.StatusRequestEntityTooLarge},
		"more objects":                 {`{"a":[` + strings.Repeat("{},", maxValues/2) + "0]}", http.StatusRequestEntityTooLarge},
		"deeply nested":                {strings.Repeat(`{"a":[`, maxValues/2+1), http.StatusRequestEntityTooLarge},
		"text that looks like values":  {`{"a":"` + strings.Repeat(`,{[\"`, maxValues) + `"}`, http.StatusAccepted},
		"YAML":                         {"a: &a [b]\nc: *a\n", http.StatusBadRequest},
		"YAML with a mark":             {"---\n{}", http.StatusBadRequest},
		"a list":                       {"[{}]", http.StatusBadRequest},
		"protobuf":                     {"k8s\x00{", http.StatusBadRequest},
		"NUL":                          {"\x00{}", http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			handler := limit(http.HandlerFunc(echo), clock.RealClock{})
			for kind, body := range map[string]io.Reader{
				"with a length":    strings.NewReader(tc.text),
				"without a length": io.MultiReader(strings.NewReader(tc.text)),
			} {
				recorder := httptest.NewRecorder()
				handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, bundlePath, body))
				if recorder.Code != tc.want || tc.want == http.StatusAccepted && recorder.Body.Len() != len(tc.text) {
					t.Errorf("%s: code %d with %d bytes, want %d with %d", kind, recorder.Code, recorder.Body.Len(), tc.want, len(tc.text))
				}
			}
			if reserved := handler.reserved.Load(); reserved != 0 {
				t.Errorf("%d bytes were not released", reserved)
			}
		})
	}
}

// Large bodies share a limited amount of memory. Small ones have their own, and announced
// data that has not arrived uses none.
func TestBodiesShareMemory(t *testing.T) {
	t.Parallel()
	handler := limit(http.HandlerFunc(echo), clock.RealClock{})
	send := func(body io.Reader) int {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, bundlePath, body))
		return recorder.Code
	}
	half := "{" + strings.Repeat(" ", maxBody/2)
	var ends []*io.PipeWriter
	var clients sync.WaitGroup
	for range sharedBody / maxBody { // each may grow to twice its size
		body, text := io.Pipe()
		ends = append(ends, text)
		clients.Go(func() { send(body) })
		if _, err := io.WriteString(text, half); err != nil { // returns once all of it is in memory
			t.Fatal(err)
		}
	}
	if code := send(strings.NewReader(half)); code != http.StatusTooManyRequests {
		t.Errorf("another large body: status %d, want %d", code, http.StatusTooManyRequests)
	}
	if code := send(strings.NewReader("{" + strings.Repeat(" ", ownBody-2) + "}")); code != http.StatusAccepted {
		t.Errorf("a small body: status %d", code)
	}
	for _, text := range ends {
		_ = text.Close()
	}
	clients.Wait()
	if reserved := handler.reserved.Load(); reserved != 0 {
		t.Errorf("%d bytes were not released", reserved)
	}
}

// FuzzForm checks, for any body, that JSON is never counted as fewer values than it has,
// and that text that is not a JSON object does not reach the YAML parser.
func FuzzForm(f *testing.F) {
	for _, seed := range []string{"", "{}", " {", `{"a\"b": [1, {"c": [[], {}]}, "d,e{"]}`, "a: b", "k8s\x00", `{"\\": ","}`, `{"a":"\u0022,"}`, "[1,2]"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		err := checkForm(text)
		var read any
		if json.Unmarshal(text, &read) != nil {
			return
		}
		if _, isObject := read.(map[string]any); isObject != (err == nil) && countValues(text) <= maxValues {
			t.Errorf("an object: %t, accepted: %v", isObject, err)
		}
		if counted, has := countValues(text), members(read); counted < has {
			t.Errorf("counted %d of at least %d values", counted, has)
		}
	})
}

// members counts the values in objects and lists.
func members(value any) int {
	count := 0
	switch value := value.(type) {
	case map[string]any:
		for _, member := range value {
			count += 1 + members(member)
		}
	case []any:
		for _, member := range value {
			count += 1 + members(member)
		}
	}
	return count
}
