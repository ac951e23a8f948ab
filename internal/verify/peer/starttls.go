package peer

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"syscall"

	"trust-manager.io/internal/text"
)

// Direct is TLS from the start.
const Direct = "none"

// upgrades are the protocols with STARTTLS.
var upgrades = map[string]func(net.Conn) error{
	"smtp": smtp, "imap": imap, "pop3": pop3, "ldap": ldap, "postgres": postgres,
}

// portProtocols are the protocols of well-known ports.
var portProtocols = map[string]string{
	"25": "smtp", "587": "smtp", "143": "imap", "110": "pop3", "389": "ldap", "5432": "postgres",
}

// Protocols returns the values of [Options.StartTLS].
func Protocols() []string {
	return append([]string{Direct}, slices.Sorted(maps.Keys(upgrades))...)
}

// protocolOf returns the protocol for a server: the given one, or that of its port.
func protocolOf(address Address, given string) (string, error) {
	if given == "" {
		if known, ok := portProtocols[address.Port]; ok {
			return known, nil
		}
		return Direct, nil
	}
	if !slices.Contains(Protocols(), given) {
		return "", fmt.Errorf("the protocol %q for STARTTLS is not one of %s", given, strings.Join(Protocols(), ", "))
	}
	return given, nil
}

// conversation is a text protocol before TLS. Lines are bounded, since the server is not trusted.
type conversation struct {
	conn   net.Conn
	reader *bufio.Reader
}

const (
	// maxLine is the largest line of an answer, in bytes. SMTP allows 512 (RFC 5321, 4.5.3.1.5),
	// and lists of capabilities are longer.
	maxLine = 4096
	// maxLines is the largest number of lines of one answer.
	maxLines = 100
)

func converse(conn net.Conn) conversation {
	return conversation{conn: conn, reader: bufio.NewReaderSize(conn, maxLine)}
}

func (c conversation) send(line string) error {
	_, err := io.WriteString(c.conn, line+"\r\n")
	return err
}

// read returns the first line that is an end of an answer.
func (c conversation) read(isEnd func(line string) bool) (string, error) {
	for range maxLines {
		line, err := c.reader.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return "", errors.New("the answer of the server has too long a line; it may speak another protocol")
		case err != nil:
			return "", explainEnd(err)
		}
		if answer := strings.TrimRight(string(line), "\r\n"); isEnd(answer) {
			return answer, nil
		}
	}
	return "", errors.New("the answer of the server has too many lines; it may speak another protocol")
}

// expect reads an answer that begins as expected. TLS begins after it, so nothing may follow
// before the client has sent its part.
func (c conversation) expect(step, prefix string, isEnd func(line string) bool) error {
	answer, err := c.read(isEnd)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", step, err)
	case !strings.HasPrefix(answer, prefix):
		return fmt.Errorf("%s: the server answers %q", step, text.Truncate(text.Printable(answer), maxQuote))
	case c.reader.Buffered() > 0:
		return fmt.Errorf("%s: the server sends data after its answer", step)
	}
	return nil
}

// maxQuote is the largest number of bytes of an answer in a message.
const maxQuote = 120

// smtp upgrades SMTP (RFC 3207).
func smtp(conn net.Conn) error {
	c := converse(conn)
	// All lines of an answer but the last one have a hyphen after the code (RFC 5321, 4.2.1).
	isEnd := func(line string) bool { return len(line) < 4 || line[3] != '-' }
	if err := c.expect("greeting", "220", isEnd); err != nil {
		return err
	}
	if err := c.send("EHLO kubectl-trust.invalid"); err != nil {
		return err
	}
	if err := c.expect("EHLO", "250", isEnd); err != nil {
		return err
	}
	if err := c.send("STARTTLS"); err != nil {
		return err
	}
	return c.expect("STARTTLS", "220", isEnd)
}

// imap upgrades IMAP (RFC 9051, 6.2.1).
func imap(conn net.Conn) error {
	c := converse(conn)
	if err := c.expect("greeting", "* OK", func(string) bool { return true }); err != nil {
		return err
	}
	if err := c.send("a1 STARTTLS"); err != nil {
		return err
	}
	return c.expect("STARTTLS", "a1 OK", func(line string) bool { return !strings.HasPrefix(line, "* ") })
}

// pop3 upgrades POP3 (RFC 2595, 4).
func pop3(conn net.Conn) error {
	c := converse(conn)
	if err := c.expect("greeting", "+OK", func(string) bool { return true }); err != nil {
		return err
	}
	if err := c.send("STLS"); err != nil {
		return err
	}
	return c.expect("STLS", "+OK", func(string) bool { return true })
}

// ldapRequest is the extended request 1.3.6.1.4.1.1466.20037 (RFC 4511, 4.14).
const ldapRequest = "\x30\x1d\x02\x01\x01\x77\x18\x80\x16" + "1.3.6.1.4.1.1466.20037"

// ldap upgrades LDAP (RFC 4511, 4.14).
func ldap(conn net.Conn) error {
	if _, err := io.WriteString(conn, ldapRequest); err != nil {
		return err
	}
	const message, integer, extendedResponse, enumerated = 0x30, 0x02, 0x78, 0x0a
	body, err := readElement(conn, message)
	if err != nil {
		return explainEnd(err)
	}
	content := bytes.NewReader(body)
	if _, err := readElement(content, integer); err != nil {
		return errNotLDAP
	}
	response, err := readElement(content, extendedResponse)
	if err != nil {
		return errNotLDAP
	}
	code, err := readElement(bytes.NewReader(response), enumerated)
	if err != nil || len(code) != 1 {
		return errNotLDAP
	}
	if code[0] != 0 {
		return fmt.Errorf("the server refuses TLS with the LDAP result %d", code[0])
	}
	return nil
}

var errNotLDAP = errors.New("the server does not answer with LDAP")

// readElement returns the body of one BER element with this identifier octet, and reads no byte
// more. Unlike encoding/asn1 it accepts lengths that are longer than necessary, which Active
// Directory sends.
func readElement(reader io.Reader, identifier byte) (body []byte, err error) {
	header := make([]byte, 2)
	if _, err := io.ReadFull(reader, header); err != nil {
		return nil, err
	}
	const isLong = 0x80
	length := int(header[1])
	if length >= isLong {
		size := make([]byte, length-isLong)
		if len(size) == 0 || len(size) > 4 {
			return nil, errNotLDAP
		}
		if _, err := io.ReadFull(reader, size); err != nil {
			return nil, err
		}
		length = 0
		for _, b := range size {
			length = length<<8 | int(b)
		}
	}
	if header[0] != identifier || length < 0 || length > maxLine {
		return nil, errNotLDAP
	}
	body = make([]byte, length)
	_, err = io.ReadFull(reader, body)
	return body, err
}

// sslRequest is the code of PostgreSQL's SSLRequest message.
const sslRequest = 80877103

// postgres upgrades PostgreSQL (its documentation, "Message Formats", SSLRequest).
func postgres(conn net.Conn) error {
	const length = 8
	request := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, length), sslRequest)
	if _, err := conn.Write(request); err != nil {
		return err
	}
	answer := make([]byte, 1)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return explainEnd(err)
	}
	switch answer[0] {
	case 'S':
		return nil
	case 'N':
		return errors.New("the server does not offer TLS; set ssl = on in postgresql.conf")
	}
	return fmt.Errorf("the server does not answer with PostgreSQL, but with %q", answer)
}

// explainEnd returns an error for a connection that ends too early, and any other error unchanged.
func explainEnd(err error) error {
	if isClosed(err) {
		return errors.New("the server closed the connection; it may speak another protocol")
	}
	return err
}

// isClosed reports whether the server has closed the connection.
func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}
