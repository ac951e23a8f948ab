package verify_test

import (
	"bufio"
	"cmp"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trust-manager.io/internal/verify"
	"trust-manager.io/internal/verify/peer"
	"trust-manager.io/test/framework/ca"
)

// L5: for chains that real servers (openssl s_server) present, verify reports whether a bundle
// trusts them; if not, why, which CA is missing, and where it is known.
func TestServers(t *testing.T) {
	t.Parallel()
	openssl := lookUpOpenSSL(t)
	for title, tc := range serverCases() {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			address := serve(t, openssl, tc.chain, tc.arguments...)
			if tc.startTLS != "" {
				address = precede(t, address, preludes[tc.startTLS])
			}
			presented, err := peer.Fetch(t.Context(), address, peer.Options{ServerName: host, StartTLS: tc.startTLS, Timeout: 30 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			if tc.version != "" && presented.Version != tc.version {
				t.Errorf("negotiated %s, want %s", presented.Version, tc.version)
			}
			if presented.StartTLS != tc.startTLS || presented.ClientCertificate != slices.Contains(tc.arguments, "-Verify") {
				t.Errorf("STARTTLS %q, client certificate %v", presented.StartTLS, presented.ClientCertificate)
			}
			if !slices.EqualFunc(presented.Chain, ders(tc.chain...), slices.Equal) {
				t.Fatalf("presented %d certificates, want the %d of the server", len(presented.Chain), len(tc.chain))
			}
			tc.want.check(t, tc.verify(presented.Chain))
		})
	}
}

// L5: what messages state about OpenSSL is so.
func TestOpenSSLDiffers(t *testing.T) {
	t.Parallel()
	openssl := lookUpOpenSSL(t)
	root, expired := ca.New("Root"), ca.New("Expired", past)
	middle := intermediate(root, "Middle")
	positive := ca.Fixed(negativeSerial)
	for title, tc := range map[string]struct {
		trusted  string
		server   ca.Pair
		partial  bool
		accepted bool
	}{
		"LeafTrusted":                  {server: leaf(middle), accepted: false},
		"LeafTrustedPartially":         {server: leaf(middle), partial: true, accepted: true},
		"IntermediateTrusted":          {trusted: middle.Certificate, server: leaf(middle), accepted: false},
		"IntermediateTrustedPartially": {trusted: middle.Certificate, server: leaf(middle), partial: true, accepted: true},
		"ExpiredRoot":                  {trusted: expired.Certificate, server: leaf(expired), accepted: false},
		"NameEncoding":                 {trusted: reencoded(root, middle), server: leaf(middle), partial: true, accepted: true},
		"Nonconforming":                {trusted: ca.NegativeSerial(), server: leaf(positive), accepted: true},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			trusted, server := filepath.Join(dir, "trusted.pem"), filepath.Join(dir, "server.pem")
			for file, content := range map[string]string{trusted: cmp.Or(tc.trusted, tc.server.Certificate), server: tc.server.Certificate} {
				if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			arguments := []string{"verify", "-trusted", trusted}
			if tc.partial {
				arguments = append(arguments, "-partial_chain")
			}
			output, err := exec.CommandContext(t.Context(), openssl, append(arguments, server)...).CombinedOutput()
			if (err == nil) != tc.accepted {
				t.Errorf("accepted %v, want %v: %s", err == nil, tc.accepted, output)
			}
		})
	}
}

// L5: the server name selects the certificate of a server that has several (SNI).
func TestServerName(t *testing.T) {
	t.Parallel()
	openssl, root, dir := lookUpOpenSSL(t), ca.New("Root"), t.TempDir()
	second := leaf(root, ca.ForHosts("second.example"))
	for file, content := range map[string]string{"cert.pem": second.Certificate, "key.pem": second.Key} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first := leaf(root)
	address := serve(t, openssl, []ca.Pair{first}, "-servername", "second.example", "-cert2", filepath.Join(dir, "cert.pem"), "-key2", filepath.Join(dir, "key.pem"))
	for name, want := range map[string]ca.Pair{"second.example": second, host: first, "": first} {
		presented, err := peer.Fetch(t.Context(), address, peer.Options{ServerName: name, Timeout: 30 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(presented.Chain, ders(want), slices.Equal) {
			t.Errorf("%q: the server presents another certificate", name)
		}
	}
}

func (tc serverCase) verify(chain [][]byte) verify.Result {
	name := host
	if tc.name != "" {
		name = tc.name
	}
	return verify.Verify(verify.Input{Chain: chain, Trusted: tc.trusted, Known: tc.known, ServerName: name, Time: time.Now()})
}

func lookUpOpenSSL(t *testing.T) string {
	t.Helper()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is not installed; CI must not go without this test")
		}
		t.Skip("SKIPPED: openssl is not installed, so no real server has presented a chain")
	}
	return openssl
}

// serve starts a server with a chain, and returns its address as soon as it accepts connections.
func serve(t *testing.T, openssl string, chain []ca.Pair, arguments ...string) peer.Address {
	t.Helper()
	dir, rest := t.TempDir(), ""
	for _, pair := range chain[1:] {
		rest += pair.Certificate
	}
	command := []string{"s_server", "-accept", "127.0.0.1:0", "-www"}
	for flag, content := range map[string]string{"-cert": chain[0].Certificate, "-key": chain[0].Key, "-cert_chain": rest} {
		if content == "" {
			continue
		}
		file := filepath.Join(dir, flag+".pem")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		command = append(command, flag, file)
	}
	server := exec.CommandContext(t.Context(), openssl, append(command, arguments...)...)
	var errors strings.Builder
	server.Stderr = &errors
	output, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Wait() }) // the context, which has ended, stops it
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "ACCEPT "); ok {
			go func() { _, _ = io.Copy(io.Discard, output) }()
			address, err := peer.ParseAddress(value)
			if err != nil {
				t.Fatal(err)
			}
			return address
		}
	}
	_ = server.Wait()
	t.Fatalf("openssl s_server has not started: %s", errors.String())
	return peer.Address{}
}

// preludes are what servers say and clients answer before TLS: each step sends a text, and then
// reads one of the client.
var preludes = map[string][][2]string{
	"smtp":     {{"220-mail.example ESMTP\r\n220 ready\r\n", "EHLO kubectl-trust.invalid\r\n"}, {"250-mail.example\r\n250 STARTTLS\r\n", "STARTTLS\r\n"}, {"220 go ahead\r\n", ""}},
	"postgres": {{"", "\x00\x00\x00\x08\x04\xd2\x16\x2f"}, {"S", ""}},
	"imap":     {{"* OK ready\r\n", "a1 STARTTLS\r\n"}, {"* CAPABILITY IMAP4rev1\r\na1 OK begin\r\n", ""}},
	"pop3":     {{"+OK ready\r\n", "STLS\r\n"}, {"+OK begin\r\n", ""}},
	"ldap": {{"", "\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"},
		{"\x30\x84\x00\x00\x00\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00", ""}},
}

// precede returns the address of a server that speaks a prelude, and then passes everything on to
// another server.
func precede(t *testing.T, address peer.Address, steps [][2]string) peer.Address {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = listener.Close(); <-done })
	go func() {
		defer close(done)
		client, err := listener.Accept()
		if err != nil {
			return
		}
		defer func() { _ = client.Close() }()
		for _, step := range steps {
			if _, err := io.WriteString(client, step[0]); err != nil {
				t.Error(err)
				return
			}
			answer := make([]byte, len(step[1]))
			if _, err := io.ReadFull(client, answer); err != nil || string(answer) != step[1] {
				t.Errorf("the client answers %q, want %q: %v", answer, step[1], err)
				return
			}
		}
		upstream, err := net.Dial("tcp", address.String())
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = upstream.Close() }()
		go func() { _, _ = io.Copy(client, upstream) }()
		_, _ = io.Copy(upstream, client)
	}()
	preceding, err := peer.ParseAddress(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return preceding
}
