package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrExposed is returned for a key file that others than its owner may read.
var ErrExposed = errors.New("key file may be read by others; set its mode to 0600")

const (
	certBlock = "CERTIFICATE"
	keyBlock  = "PRIVATE KEY" // PKCS #8
	maxFile   = 1 << 20
)

// EncodeCertificates returns certs as PEM, in order.
func EncodeCertificates(certs ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: certBlock, Bytes: c.Raw})...)
	}
	return out
}

// DecodeCertificates reads one or more PEM certificates and refuses anything else beside them.
func DecodeCertificates(b []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for {
		block, rest := pem.Decode(b)
		if block == nil {
			break
		}
		if block.Type != certBlock {
			return nil, fmt.Errorf("read certificates: found a block of %q", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read certificate %d: %w", len(certs)+1, err)
		}
		certs, b = append(certs, c), rest
	}
	if len(certs) == 0 {
		return nil, errors.New("read certificates: there is none")
	}
	return certs, nil
}

// EncodeKey returns key as PEM (PKCS #8).
func EncodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: der}), nil
}

// DecodeKey reads an ECDSA or Ed25519 key as PEM (PKCS #8).
func DecodeKey(b []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(b)
	if block == nil || block.Type != keyBlock {
		return nil, errors.New("read key: not a PEM private key (PKCS #8)")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		return k, nil
	case ed25519.PrivateKey:
		return k, nil
	}
	return nil, fmt.Errorf("read key: %T is not used here", key)
}

// ReadCertificates reads a PEM file of certificates.
func ReadCertificates(path string) ([]*x509.Certificate, error) {
	b, err := readSmall(path, false)
	if err != nil {
		return nil, err
	}
	certs, err := DecodeCertificates(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return certs, nil
}

// ReadKey reads a PEM key file. It returns ErrExposed when others may read the file.
func ReadKey(path string) (crypto.Signer, error) {
	b, err := readSmall(path, true)
	if err != nil {
		return nil, err
	}
	key, err := DecodeKey(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// WriteCertificates writes certs to path, replacing what is there, all or nothing.
func WriteCertificates(path string, certs ...*x509.Certificate) error {
	return write(path, EncodeCertificates(certs...), 0o644, os.Rename)
}

// WriteKey writes key to path with mode 0600, all or nothing. A file that exists is kept
// and fs.ErrExist returned: a key that is overwritten is lost.
func WriteKey(path string, key crypto.Signer) error {
	b, err := EncodeKey(key)
	if err != nil {
		return err
	}
	return write(path, b, 0o600, os.Link)
}

// LoadPair reads a certificate, with any chain after it, and its key for use in TLS.
func LoadPair(certFile, keyFile string) (tls.Certificate, error) {
	certs, err := ReadCertificates(certFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := ReadKey(keyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	return Pair(key, certs...)
}

// Pair puts a key and its certificate, with any chain after it, together for use in TLS.
func Pair(key crypto.Signer, chain ...*x509.Certificate) (tls.Certificate, error) {
	if len(chain) == 0 {
		return tls.Certificate{}, errors.New("no certificate for the key")
	}
	pub, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !pub.Equal(chain[0].PublicKey) {
		return tls.Certificate{}, fmt.Errorf("certificate of %s does not belong to the key", chain[0].Subject.CommonName)
	}
	pair := tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, c := range chain {
		pair.Certificate = append(pair.Certificate, c.Raw)
	}
	return pair, nil
}

func readSmall(path string, secret bool) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if secret && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s: %w", path, ErrExposed)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s: %d bytes is too large for a key or certificate", path, info.Size())
	}
	return os.ReadFile(path) // #nosec G304 -- the path comes from the operator's own configuration
}

// write puts b into a temporary file beside path, makes it durable and then moves it into
// place: os.Rename replaces a file that exists, os.Link refuses to.
func write(path string, b []byte, mode fs.FileMode, place func(from, to string) error) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".pki-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already after a rename
	defer func() {
		if cerr := f.Close(); err == nil && cerr != nil && !errors.Is(cerr, fs.ErrClosed) {
			err = cerr
		}
	}()
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if _, err := f.Write(b); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := place(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir) // #nosec G304 -- the folder of a file just written
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Sync()
}
