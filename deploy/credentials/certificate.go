package credentials

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"path"
	"time"
)

const (
	day = 24 * time.Hour
	// authorityLife is the authority's: all clients must be told of a new one.
	authorityLife = 3650 * day
	// serverLife is a server certificate's, which nobody need be told of.
	serverLife = 730 * day
)

// Certificate is one that was made or kept.
type Certificate struct {
	// File is relative to the directory of credentials.
	File string
	// Until is when it ends.
	Until time.Time
	// Lacks are those of the hosts asked for that it does not name.
	Lacks []string
}

// signer is a certificate with its key.
type signer struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// createCertificates makes a private authority, and a certificate of it for
// each server.
func createCertificates(d *directory, hosts []string) ([]Certificate, error) {
	authority, err := d.pair("ca.crt", "ca/ca.key", nil, authorityTemplate)
	if err != nil {
		return nil, err
	}
	if err := d.render("nats/tls/ca.crt", string(encodeCertificate(authority.certificate.Raw))); err != nil {
		return nil, err
	}
	all := []Certificate{{File: "ca.crt", Until: authority.certificate.NotAfter}}
	for _, server := range []string{"nats", "postgres"} {
		file := path.Join(server, "tls/server.crt")
		pair, err := d.pair(file, path.Join(server, "tls/server.key"), authority, func() *x509.Certificate { return serverTemplate(hosts) })
		if err != nil {
			return nil, err
		}
		if err := pair.certificate.CheckSignatureFrom(authority.certificate); err != nil {
			return nil, fmt.Errorf("%s was not signed by %s: delete it, and it is made anew", d.full(file), d.full("ca.crt"))
		}
		c := Certificate{File: file, Until: pair.certificate.NotAfter}
		for _, host := range hosts {
			if pair.certificate.VerifyHostname(host) != nil {
				c.Lacks = append(c.Lacks, host)
			}
		}
		all = append(all, c)
	}
	return all, nil
}

// pair returns a certificate with its key, and makes what is missing of it. A
// new key needs a new certificate, so the key is made first and a certificate
// of another key is an error.
func (d *directory) pair(certificateFile, keyFile string, authority *signer, template func() *x509.Certificate) (*signer, error) {
	if authority == nil {
		if _, err := d.read(certificateFile); err == nil {
			if _, err := d.read(keyFile); errors.Is(err, fs.ErrNotExist) {
				// the authority's key may be kept elsewhere
				certificate, err := d.certificate(certificateFile)
				return &signer{certificate: certificate}, err
			}
		}
	}
	encoded, err := d.keep(keyFile, private, newKey)
	if err != nil {
		return nil, err
	}
	key, err := decodeKey(encoded)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; delete it and %s, and both are made anew", d.full(keyFile), err, certificateFile)
	}
	_, err = d.keep(certificateFile, public, func() ([]byte, error) {
		issuer := authority
		if issuer == nil {
			issuer = &signer{key: key}
		}
		if issuer.key == nil {
			return nil, fmt.Errorf("the authority's key %s is not here to sign it", d.full("ca/ca.key"))
		}
		return sign(template(), key.Public(), issuer)
	})
	if err != nil {
		return nil, err
	}
	certificate, err := d.certificate(certificateFile)
	if err != nil {
		return nil, err
	}
	if own, ok := certificate.PublicKey.(*ecdsa.PublicKey); !ok || !own.Equal(key.Public()) {
		return nil, fmt.Errorf("%s is of another key than %s: delete it, and it is made anew", d.full(certificateFile), keyFile)
	}
	return &signer{certificate: certificate, key: key}, nil
}

func (d *directory) certificate(file string) (*x509.Certificate, error) {
	content, err := d.read(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("%s is no certificate: delete it, and it is made anew", d.full(file))
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s is no certificate (%w): delete it, and it is made anew", d.full(file), err)
	}
	if time.Now().After(certificate.NotAfter) {
		return nil, fmt.Errorf("%s ended on %s: delete it, and it is made anew", d.full(file), certificate.NotAfter.Format(time.DateOnly))
	}
	return certificate, nil
}

func authorityTemplate() *x509.Certificate {
	return &x509.Certificate{
		Subject:  pkix.Name{CommonName: "connect-provider private authority"},
		NotAfter: time.Now().Add(authorityLife),
		IsCA:     true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

func serverTemplate(hosts []string) *x509.Certificate {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "connect-provider server"},
		NotAfter:    time.Now().Add(serverLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if address := net.ParseIP(host); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return template
}

// sign makes a certificate. It does not outlive its issuer's, and is valid from
// an hour ago, for clocks that go behind.
func sign(template *x509.Certificate, key crypto.PublicKey, issuer *signer) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.SerialNumber, template.NotBefore = serial, time.Now().Add(-time.Hour)
	parent := issuer.certificate
	if parent == nil {
		parent = template
	} else if parent.NotAfter.Before(template.NotAfter) {
		template.NotAfter = parent.NotAfter
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, key, issuer.key)
	return encodeCertificate(raw), err
}

func encodeCertificate(raw []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
}

func newKey() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), err
}

func decodeKey(encoded []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(encoded)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, errors.New("it holds no private key")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("it holds no private key that can be read")
	}
	curve, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("its key is of another kind than ECDSA")
	}
	return curve, nil
}
