package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// TestGoSDK uses the profiles that brevet writes with the AWS SDK for Go.
func TestGoSDK(t *testing.T) {
	dir := t.TempDir()
	facts, _ := startDev(t, filepath.Join(dir, "w"), "", mustPorts(t))
	t.Setenv("BREVET_HOME", filepath.Join(dir, "home"))
	t.Setenv("BREVET_URL", facts.URL)
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "aws config")) // a space, as people have
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "none"))
	t.Setenv("BROWSER", "browser")
	t.Setenv("WHO", "engineer")
	t.Setenv("DEVJSON", filepath.Join(dir, "w", "dev.json"))
	brevet := filepath.Join(buildBrevet(t), "brevet")
	for _, args := range [][]string{{"login"}, {"profiles", "sync"}} {
		if out, err := exec.Command(brevet, args...).CombinedOutput(); err != nil {
			t.Fatalf("brevet %s: %v\n%s", args, err, out)
		}
	}
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithSharedConfigProfile("acme-staging/ReadOnly"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := "arn:aws:sts::111122223333:assumed-role/brevet-ReadOnly/engineer="; !strings.HasPrefix(*got.Arn, want) {
		t.Errorf("arn = %s, want %s…", *got.Arn, want)
	}
	cached, err := os.ReadDir(filepath.Join(dir, "home"))
	if err != nil {
		t.Fatal(err)
	}
	creds, err := cfg.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range cached { // no secret lies on the disk in clear
		text, _ := os.ReadFile(filepath.Join(dir, "home", f.Name()))
		if strings.Contains(string(text), creds.SecretAccessKey) || strings.Contains(string(text), creds.SessionToken) {
			t.Errorf("%s holds a secret in clear", f.Name())
		}
	}
}
