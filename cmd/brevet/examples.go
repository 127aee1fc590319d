package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// examples are of the commands that need no more than a line or two; longer
// ones stand with their command.
var examples = [...]struct{ command, example string }{
	{"login", "brevet login https://brevet.example.com\nbrevet login --mfa"},
	{"logout", "brevet logout"},
	{"whoami", "brevet whoami\nbrevet whoami --json"},
	{"ls", "brevet ls"},
	{"request", "brevet request acme-prod/Admin --reason \"restore db-7\" --for 1h --wait\nbrevet request acme-prod/Admin --denied @error.txt"},
	{"requests", "brevet requests --decide"},
	{"show", "brevet show req_01m89z74ez9aj5x652megjcq98"},
	{"withdraw", "brevet withdraw req_01m89z74ez9aj5x652megjcq98"},
	{"why", "brevet why acme-prod/Admin"},
	{"status", "brevet status"},
	{"break-glass share", "brevet break-glass share --bundle bundle.json --identity ~/.ssh/id_ed25519"},
	{"break-glass import", "brevet break-glass import record.json"},
	{"codes new", "brevet codes new"},
	{"codes ls", "brevet codes ls"},
	{"codes void", "brevet codes void"},
	{"approve", "brevet approve req_01m89z74ez9aj5x652megjcq98 --comment \"go ahead\""},
	{"deny", "brevet deny req_01m89z74ez9aj5x652megjcq98 --comment \"use staging\""},
	{"review", "brevet review gr_01m89z74ez9aj5x652megjcq98 --ok --comment \"db-7 was down\""},
	{"review ls", "brevet review ls"},
	{"credential-process", "brevet credential-process acme-prod/Admin"},
	{"console", "brevet console acme-prod/Admin\nbrevet console acme-prod/Admin --destination s3"},
	{"profiles sync", "brevet profiles sync\nbrevet profiles sync --diff"},
	{"grants", "brevet grants --live"},
	{"drop", "brevet drop acme-prod/Admin"},
	{"revoke", "brevet revoke acme-prod/Admin --reason \"done\"\nbrevet revoke --person engineer --reason \"laptop stolen\" --wait"},
	{"revocations", "brevet revocations"},
	{"offboard", "brevet offboard engineer --reason \"left the company\" --wait"},
	{"audit ls", "brevet audit ls --last 50"},
	{"audit verify", "brevet audit verify\nbrevet audit verify --file log.jsonl"},
	{"audit export", "brevet audit export --out log.jsonl"},
	{"catalog show", "brevet catalog show > catalog.yaml"},
	{"catalog ls", "brevet catalog ls"},
	{"catalog plan", "brevet catalog plan catalog.yaml"},
	{"catalog apply", "brevet catalog apply catalog.yaml --base 7"},
	{"catalog approve", "brevet catalog approve 8"},
	{"catalog withdraw", "brevet catalog withdraw 8"},
	{"customer list", "brevet customer list"},
	{"customer offboard", "brevet customer offboard acme --reason \"the contract ended\""},
	{"account list", "brevet account list --customer acme"},
	{"account remove", "brevet account remove acme-dev --catalog catalog.yaml"},
	{"stack cloudformation", "brevet stack cloudformation --customer acme --account acme-prod --out stack"},
	{"stack terraform", "brevet stack terraform --customer acme --account acme-prod --out module"},
	{"stack diff", "brevet stack diff --customer acme --account acme-prod --deployed stack"},
	{"stack probe", "brevet stack probe acme-prod"},
	{"notify ls", "brevet notify ls"},
	{"notify test", "brevet notify test\nbrevet notify test on-call"},
	{"notify link", "brevet notify link"},
	{"lint", "brevet lint trust.json\nbrevet lint access.yaml --fail-on warning"},
	{"version", "brevet version"},
}

// exemplify gives the commands below root their examples.
func exemplify(root *cobra.Command) {
	for _, e := range examples {
		cmd := root
		for word := range strings.FieldsSeq(e.command) {
			for _, below := range cmd.Commands() {
				if below.Name() == word {
					cmd = below
					break
				}
			}
		}
		cmd.Example = "  " + strings.ReplaceAll(e.example, "\n", "\n  ")
	}
}

// cut breaks a long example before a word of it.
func cut(example, before string) string {
	return strings.Replace(example, before, " \\\n     "+before, 1)
}
