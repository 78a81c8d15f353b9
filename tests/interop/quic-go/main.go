// Echo over QUIC by quic-go: as the client of somebody's server, or as the server of somebody's client.
//
//	quic-go client ADDRESS PIN    connects twice, and wants back what it sends
//	quic-go server                says where it listens and what its pin is, and echoes
package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"os"
	"time"

	"github.com/lucas-clemente/quic-go"
)

const alpn = "echo/1"

func main() {
	log.SetFlags(0)
	var err error
	switch {
	case len(os.Args) == 4 && os.Args[1] == "client":
		err = client(os.Args[2], os.Args[3])
	case len(os.Args) == 2 && os.Args[1] == "server":
		err = server()
	default:
		err = errors.New("client ADDRESS PIN, or server")
	}
	if err != nil {
		log.Fatal(err)
	}
}

func pinOf(certificate []byte) (string, error) {
	parsed, err := x509.ParseCertificate(certificate)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(parsed.RawSubjectPublicKeyInfo)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

func client(address, pin string) error {
	security := &tls.Config{
		InsecureSkipVerify: true,
		ServerName:         "gatehouse",
		NextProtos:         []string{alpn},
		ClientSessionCache: tls.NewLRUClientSessionCache(4),
		VerifyPeerCertificate: func(shown [][]byte, _ [][]*x509.Certificate) error {
			seen, err := pinOf(shown[0])
			if err == nil && seen != pin {
				err = fmt.Errorf("the pin is %s", seen)
			}
			return err
		},
	}
	config := &quic.Config{TokenStore: quic.NewLRUTokenStore(1, 4)}
	for number, size := range []int{1, 1000, 1000 * 1000} {
		resumed, err := echo(address, security, config, size)
		if err == nil && resumed != (number > 0) {
			err = fmt.Errorf("connection %d, resumed: %t", number, resumed)
		}
		if err != nil {
			return fmt.Errorf("%d bytes: %w", size, err)
		}
		log.Printf("%d bytes came back, session resumed: %t", size, resumed)
	}
	other := security.Clone()
	other.NextProtos = []string{"h3"}
	_, err := quic.DialAddr(address, other, config)
	var refused *quic.TransportError
	if !errors.As(err, &refused) || refused.ErrorCode != 0x100+120 {
		return fmt.Errorf("another application protocol: %v", err)
	}
	log.Print("another application protocol is refused")
	return nil
}

// Whether the session of an earlier connection was resumed.
func echo(address string, security *tls.Config, config *quic.Config, size int) (bool, error) {
	within, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	connection, err := quic.DialAddrContext(within, address, security, config)
	if err != nil {
		return false, err
	}
	stream, err := connection.OpenStreamSync(within)
	if err != nil {
		return false, err
	}
	sent := make([]byte, size)
	if _, err := rand.Read(sent); err != nil {
		return false, err
	}
	failed := make(chan error, 1)
	go func() {
		_, err := stream.Write(sent)
		if err == nil {
			err = stream.Close()
		}
		failed <- err
	}()
	received, err := io.ReadAll(stream)
	if err != nil {
		return false, err
	}
	if err := <-failed; err != nil {
		return false, err
	}
	if !bytes.Equal(sent, received) {
		return false, fmt.Errorf("sent %d bytes, and %d others came back", len(sent), len(received))
	}
	resumed := connection.ConnectionState().TLS.DidResume
	return resumed, connection.CloseWithError(0, "done")
}

func server() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"gatehouse"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	pin, err := pinOf(certificate)
	if err != nil {
		return err
	}
	security := &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: key}},
		NextProtos:   []string{alpn},
	}
	listener, err := quic.ListenAddr("127.0.0.1:0", security, nil)
	if err != nil {
		return err
	}
	fmt.Printf("{\"event\": \"listening\", \"address\": \"%s\", \"pin\": \"%s\"}\n", listener.Addr(), pin)
	for {
		connection, err := listener.Accept(context.Background())
		if err != nil {
			return err
		}
		go func() {
			stream, err := connection.AcceptStream(context.Background())
			if err != nil {
				return
			}
			// Whoever has ended their direction has everything back before we end ours.
			if _, err := io.Copy(stream, stream); err == nil {
				stream.Close()
			}
		}()
	}
}
