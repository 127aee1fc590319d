// Command reference is what credential-process is measured against: the
// standard library alone reads a JSON file, checks the expiry and prints.
package main

import (
	"encoding/json"
	"os"
	"time"
)

type credential struct {
	Version         int
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
	Expiration      time.Time
}

func main() {
	data, err := os.ReadFile(os.Args[1])
	if err != nil {
		os.Exit(1)
	}
	var c credential
	if json.Unmarshal(data, &c) != nil || !time.Now().Before(c.Expiration) {
		os.Exit(2)
	}
	out, err := json.Marshal(c)
	if err != nil {
		os.Exit(3)
	}
	os.Stdout.Write(append(out, '\n'))
}
