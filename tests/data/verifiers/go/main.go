// What Go's crypto/x509 says of TLS server certificates.
//
// A case a line on standard input, an answer a line on standard output: "OK", or the refusal. A case is four fields,
// separated by tabs: the host, the time in seconds, the trust anchors and the chain (leaf first); certificates are DER
// in base64, separated by commas.
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

const longestLine = 1 << 22

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		answer := "OK"
		if err := verify(strings.Split(lines.Text(), "\t")); err != nil {
			answer = strings.ReplaceAll(err.Error(), "\n", " ")
		}
		fmt.Println(answer)
	}
}

func verify(fields []string) error {
	if len(fields) != 4 {
		return fmt.Errorf("%d fields instead of 4", len(fields))
	}
	seconds, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return err
	}
	anchors, err := parse(fields[2])
	if err != nil {
		return err
	}
	chain, err := parse(fields[3])
	if err != nil {
		return err
	}
	options := x509.VerifyOptions{
		DNSName:       fields[0],
		Roots:         pool(anchors),
		Intermediates: pool(chain[1:]),
		CurrentTime:   time.Unix(seconds, 0),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if strings.Contains(fields[0], ":") {
		options.DNSName = "[" + fields[0] + "]"
	}
	_, err = chain[0].Verify(options)
	return err
}

func parse(list string) ([]*x509.Certificate, error) {
	var certificates []*x509.Certificate
	for _, text := range strings.Split(list, ",") {
		der, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, err
		}
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		certificates = append(certificates, certificate)
	}
	return certificates, nil
}

func pool(certificates []*x509.Certificate) *x509.CertPool {
	made := x509.NewCertPool()
	for _, certificate := range certificates {
		made.AddCert(certificate)
	}
	return made
}
