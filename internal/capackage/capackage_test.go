package capackage_test

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/internal/capackage"
	"trust-manager.io/test/framework/ca"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const pemText = "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n"

func valid() capackage.Package {
	return capackage.Package{Name: "mozilla", Version: "20261030", Bundle: pemText}
}

// D1: the file format.
func TestParse(t *testing.T) {
	t.Parallel()
	quoted, err := json.Marshal(pemText)
	if err != nil {
		t.Fatal(err)
	}
	bundle := string(quoted)
	cases := map[string]struct {
		data    string
		want    capackage.Package
		wantErr string
	}{
		"a package": {
			data: `{"name":"mozilla","version":"20261030","bundle":` + bundle + `}`,
			want: valid(),
		},
		"fields in another order, with white space around": {
			data: "\n { \"bundle\" : " + bundle + ",\n \"version\":\"20261030\", \"name\":\"mozilla\" }\r\n",
			want: valid(),
		},
		"D4: unknown fields of any shape are ignored": {
			data: `{"name":"mozilla","x":{"name":"y","a":[1,null]},"version":"20261030","bundle":` + bundle + `,"Name":7}`,
			want: valid(),
		},
		"D4: a Debian-style version": {
			data: `{"name":"debian","version":"20230311+deb12u1.0","bundle":` + bundle + `}`,
			want: capackage.Package{Name: "debian", Version: "20230311+deb12u1.0", Bundle: pemText},
		},
		"name and version of the maximum length": {
			data: `{"name":"` + strings.Repeat("é", 234) + `","version":"1","bundle":` + bundle + `}`,
			want: capackage.Package{Name: strings.Repeat("é", 234), Version: "1", Bundle: pemText},
		},
		"one character too long": {
			data:    `{"name":"` + strings.Repeat("é", 234) + `","version":"12","bundle":` + bundle + `}`,
			wantErr: `"name" and "version" of the CA package are too long: its ID has 254 characters, the limit is 253`,
		},
		"an empty file":       {data: "", wantErr: "unexpected end"},
		"white space only":    {data: " \n", wantErr: "unexpected end"},
		"PEM instead of JSON": {data: pemText, wantErr: "not one JSON object"},
		"an array":            {data: `[{"name":"n"}]`, wantErr: `must begin with "{"`},
		"a string":            {data: `"x"`, wantErr: `must begin with "{"`},
		"null":                {data: `null`, wantErr: `must begin with "{"`},
		"an empty object":     {data: `{}`, wantErr: `field "name" of the CA package is missing`},
		"truncated inside the bundle": {
			data: `{"name":"n","version":"v","bundle":"-----BEGIN`, wantErr: "truncated",
		},
		"truncated after a value": {data: `{"name":"n"`, wantErr: "truncated"},
		"truncated after a comma": {data: `{"name":"n",`, wantErr: "truncated"},
		"truncated after a key":   {data: `{"name"`, wantErr: "truncated"},
		"an extra comma":          {data: `{"name":"n",}`, wantErr: "not one JSON object"},
		"a wrong bracket":         {data: `{"name":"n"]`, wantErr: "not one JSON object"},
		"a key that is not a string": {
			data: `{1:"n"}`, wantErr: "not one JSON object",
		},
		"a second object": {
			data:    `{"name":"n","version":"v","bundle":"b"}{}`,
			wantErr: "unexpected data after its end, at byte",
		},
		"text after the object": {
			data:    `{"name":"n","version":"v","bundle":"b"} x`,
			wantErr: "unexpected data after its end, at byte",
		},
		"a field twice": {
			data:    `{"name":"n","version":"v","bundle":"a","bundle":"b"}`,
			wantErr: `duplicate field "bundle"`,
		},
		"no name":    {data: `{"version":"v","bundle":"b"}`, wantErr: `field "name" of the CA package is missing`},
		"no version": {data: `{"name":"n","bundle":"b"}`, wantErr: `field "version" of the CA package is missing`},
		"no bundle":  {data: `{"name":"n","version":"v"}`, wantErr: `field "bundle" of the CA package is missing`},
		"a field name in other case is another field": {
			data: `{"Name":"n","version":"v","bundle":"b"}`, wantErr: `field "name" of the CA package is missing`,
		},
		"empty name":    {data: `{"name":"","version":"v","bundle":"b"}`, wantErr: `field "name" of the CA package is empty`},
		"blank version": {data: `{"name":"n","version":" ","bundle":"b"}`, wantErr: `field "version" of the CA package is empty`},
		"bundle without text": {
			data: `{"name":"n","version":"v","bundle":" \r\n\t"}`, wantErr: `field "bundle" of the CA package is empty`,
		},
		"a number as version": {
			data: `{"name":"n","version":20261030,"bundle":"b"}`, wantErr: `field "version" of the CA package must be a string`,
		},
		"null as bundle": {
			data: `{"name":"n","version":"v","bundle":null}`, wantErr: `field "bundle" of the CA package must be a string`,
		},
		"an array as name": {
			data: `{"name":["n"],"version":"v","bundle":"b"}`, wantErr: `field "name" of the CA package must be a string`,
		},
		"a line break in the name": {
			data: `{"name":"a\nb","version":"v","bundle":"b"}`, wantErr: `field "name" of the CA package has the unprintable character U+000A`,
		},
		"NUL in the version": {
			data: `{"name":"n","version":"v\u0000","bundle":"b"}`, wantErr: `field "version" of the CA package has the unprintable character U+0000`,
		},
		"text direction override in the version": {
			data: `{"name":"n","version":"1\u202e2","bundle":"b"}`, wantErr: `unprintable character U+202E`,
		},
		"not UTF-8": {
			data: `{"name":"n","version":"v","bundle":"` + "\xff" + `"}`, wantErr: "not UTF-8",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := capackage.Parse([]byte(tc.data))
			checkError(t, err, tc.wantErr)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("package (-want +got):\n%s", diff)
			}
		})
	}
}

// checkError wants an error that contains want, or none when want is empty.
func checkError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("unexpected error: %v", err)
	case want != "" && err == nil:
		t.Errorf("no error, want one with %q", want)
	case want != "" && !strings.Contains(err.Error(), want):
		t.Errorf("error %q, want it to contain %q", err, want)
	}
}

func TestSizeLimit(t *testing.T) {
	t.Parallel()
	p := valid()
	p.Bundle = strings.Repeat("x", capackage.MaxSize)
	_, err := capackage.Encode(p)
	checkError(t, err, "the limit is 16777216")

	file, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	_, err = capackage.Parse(file)
	checkError(t, err, "the limit is 16777216")

	overhead := len(file) - len(p.Bundle)
	p.Bundle = p.Bundle[:capackage.MaxSize-overhead]
	file, err = json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	_, err = capackage.Parse(file)
	checkError(t, err, "")
}

// Encode rejects a package that Parse would reject.
func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change  func(*capackage.Package)
		wantErr string
	}{
		"no name":                {func(p *capackage.Package) { p.Name = "" }, `field "name" of the CA package is empty`},
		"no version":             {func(p *capackage.Package) { p.Version = "" }, `field "version" of the CA package is empty`},
		"no bundle":              {func(p *capackage.Package) { p.Bundle = "\n" }, `field "bundle" of the CA package is empty`},
		"name not UTF-8":         {func(p *capackage.Package) { p.Name = "\xff" }, `field "name" of the CA package is not UTF-8`},
		"bundle not UTF-8":       {func(p *capackage.Package) { p.Bundle = "\xff" }, `field "bundle" of the CA package is not UTF-8`},
		"a tab in a version":     {func(p *capackage.Package) { p.Version = "1\t" }, "U+0009"},
		"an ID that is too long": {func(p *capackage.Package) { p.Version = strings.Repeat("1", 253) }, "too long"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := valid()
			tc.change(&p)
			got, err := capackage.Encode(p)
			checkError(t, err, tc.wantErr)
			if got != nil {
				t.Errorf("got %d bytes with the error, want none", len(got))
			}
		})
	}
}

// The encoding is fixed: a change of the encoder would change every published file.
func TestEncodeGolden(t *testing.T) {
	t.Parallel()
	const golden = "testdata/package.golden.json"
	p := valid()
	p.Name = "mozilla <&> été"
	got, err := capackage.Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("encoded package (-want +got):\n%s", diff)
	}
}

// D3. `printf '…' | sha256sum` prints the digest of the bundle text.
func TestID(t *testing.T) {
	t.Parallel()
	want := "mozilla-20261030-1ce4f4d40b3fa446"
	if got := valid().ID(); got != want {
		t.Errorf("id %q, want %q", got, want)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"name":"n","version":"v","bundle":"b"}`,
		`{"name":"n","version":"v","bundle":"\ud800\n<","x":[{}]}` + "\n",
		`{"name":"n","name":"m","version":"v","bundle":"b"}`,
		`{"name":"n","version":"v","bundle":"b"}{}`,
		`{"name":"n",}`,
		`[1`,
		"",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := capackage.Parse(data)
		if err != nil {
			if p != (capackage.Package{}) {
				t.Fatalf("returned %+v with error %v", p, err)
			}
			return
		}
		if !json.Valid(data) {
			t.Fatal("accepted invalid JSON")
		}
		checkRoundTrip(t, p)
	})
}

func FuzzEncode(f *testing.F) {
	f.Add("n", "v", "b")
	f.Add("", "v\x00", "\xff")
	f.Add("é <&>", "\u2028", "-----BEGIN\r\n")
	f.Fuzz(func(t *testing.T, name, version, bundle string) {
		p := capackage.Package{Name: name, Version: version, Bundle: bundle}
		if _, err := capackage.Encode(p); err == nil {
			checkRoundTrip(t, p)
		}
	})
}

// checkRoundTrip checks that Parse(Encode(p)) == p.
func checkRoundTrip(t *testing.T, p capackage.Package) {
	t.Helper()
	file, err := capackage.Encode(p)
	if err != nil {
		t.Fatalf("encode %+v: %v", p, err)
	}
	again, err := capackage.Parse(file)
	if err != nil {
		t.Fatalf("parse the output of Encode, %q: %v", file, err)
	}
	if diff := cmp.Diff(p, again); diff != "" {
		t.Fatalf("round trip (-want +got):\n%s", diff)
	}
}

// D1, S6: a package with a nonconforming certificate is invalid, since Bundles reject it.
func TestCertificatesRefusesNonconforming(t *testing.T) {
	t.Parallel()
	p := capackage.Package{Name: "n", Version: "v", Bundle: ca.Fixed(1).Certificate + ca.NegativeSerial()}
	if _, err := p.Certificates(); err == nil || !strings.Contains(err.Error(), "block 2: the certificate does not conform") {
		t.Errorf("error %v", err)
	}
}
