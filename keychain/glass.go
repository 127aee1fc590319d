package keychain

import (
	"encoding/json"
	"os"
	"strings"
	"time"
)

// Glass is a sign-in by sealed codes: good for one target, until the emergency
// ends. It lies beside the ordinary one. Forgetting its grant, or the server,
// forgets it too.
type Glass struct {
	Token
	Target string `json:"target"`
	Grant  string `json:"grant"`
}

func glassName(server, target string) string { return short(server) + "-" + short("glass "+target) }

// PutGlass remembers a sign-in by sealed codes.
func (v *Vault) PutGlass(server string, g Glass) error { return v.put(glassName(server, g.Target), g) }

// Glass returns the sign-in by sealed codes for target at server, and whether
// there is one that is not over at now.
func (v *Vault) Glass(server, target string, now time.Time) (Glass, bool) {
	g, ok := v.glass(glassName(server, target))
	return g, ok && g.Target == target && now.Before(g.Expires)
}

func (v *Vault) glass(name string) (g Glass, ok bool) {
	plain, err := v.get(name)
	ok = err == nil && json.Unmarshal(plain, &g) == nil && g.Token.Token != "" && g.Grant != "" && g.Target != ""
	return g, ok
}

// Glasses returns all of them at server that are not over at now.
func (v *Vault) Glasses(server string, now time.Time) (out []Glass) {
	files, err := os.ReadDir(v.home.path("cache"))
	if err != nil {
		return nil
	}
	for _, file := range files {
		name, sealed := strings.CutSuffix(file.Name(), ".sealed")
		if !sealed || !strings.HasPrefix(name, short(server)+"-") {
			continue
		}
		if g, ok := v.glass(name); ok && name == glassName(server, g.Target) && now.Before(g.Expires) {
			out = append(out, g)
		}
	}
	return out
}

// DropGlass forgets the sign-in by sealed codes for target at server.
func (h *Home) DropGlass(server, target string) error {
	return remove(h.path("cache", glassName(server, target)+".sealed"))
}
