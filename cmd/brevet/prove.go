package main

import (
	"context"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/manual"
	"github.com/brevet-access/brevet/stack"
)

// proveFlags are those of brevet stack prove.
type proveFlags struct {
	side                 sideFlags
	templates            []string
	parameters           []string
	scenarios, junit     string
	mutate, layers, long bool
}

func (c *cli) stackProve() *cobra.Command {
	var f proveFlags
	cmd := &cobra.Command{
		Use: "prove", Short: "Check that templates do what they promise", Args: manual.Exactly(),
		Long: `Check that the templates of an account do what they promise: who gets in and
who does not, what sessions may not do, what is recorded and told.

Each claim is tried against the policies and rules that the templates install.
Templates that are not given are generated. A claim that does not hold gives
exit code 73. This is a model of AWS and not AWS: brevet stack probe asks AWS.`,
		Example: `  brevet stack prove --customer acme --account acme-prod
  brevet stack prove --customer acme --account acme-prod \
      --template access.yaml --param WorkloadPath=/apps/
  brevet stack prove --customer acme --account acme-prod --mutate`,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.prove(cmd.Context(), f) },
	}
	f.side.add(cmd)
	cmd.Flags().StringArrayVar(&f.templates, "template", nil, "a template `FILE`, also one that was edited or downloaded; repeatable")
	cmd.Flags().StringArrayVar(&f.parameters, "param", nil, "a parameter `NAME=VALUE` that the templates are deployed with; repeatable; claims about a parameter set it themselves")
	cmd.Flags().StringVar(&f.scenarios, "scenarios", "", "a YAML `FILE` with claims of your own")
	cmd.Flags().StringVar(&f.junit, "junit", "", "write the result as JUnit XML to `FILE`")
	cmd.Flags().BoolVar(&f.mutate, "mutate", false, "weaken the templates at each place in turn, and say which weakness no claim notices")
	cmd.Flags().BoolVar(&f.layers, "layers", false, "show what each layer still stops when all others have fallen")
	cmd.Flags().BoolVar(&f.long, "long", false, "show each claim as a sentence, and uncut")
	return c.flagJSON(cmd)
}

// prove is brevet stack prove.
func (c *cli) prove(ctx context.Context, f proveFlags) error {
	if f.mutate && f.layers {
		return brevet.Errorf(brevet.Invalid, "--mutate and --layers exclude each other")
	}
	if f.junit != "" && (f.mutate || f.layers) {
		return brevet.Errorf(brevet.Invalid, "--junit goes with neither --mutate nor --layers")
	}
	s, err := c.stacks(ctx, f)
	if err != nil {
		return err
	}
	scenarios := stack.Scenarios(s.Side)
	if f.scenarios != "" {
		text, err := readGiven(f.scenarios)
		if err != nil {
			return err
		}
		more, err := stack.ReadScenarios(f.scenarios, text, s.Side)
		if err != nil {
			return err
		}
		scenarios = append(scenarios, more...)
	}
	switch {
	case f.mutate:
		return c.proveMutants(s, scenarios)
	case f.layers:
		rows, err := stack.Layers(s, scenarios)
		if err != nil {
			return err
		}
		return c.print(rows, func() { c.showLayers(rows, c.asked(s.Side.Account)) })
	}
	return c.proveClaims(f, s, scenarios)
}

// readGiven reads a file that was named on the command line.
func readGiven(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, brevet.Errorf(brevet.Invalid, "cannot read %s: %s", file, rootCause(err))
	}
	return text, nil
}

// stacks reads the templates that are given, and generates the others.
func (c *cli) stacks(ctx context.Context, f proveFlags) (stack.Stacks, error) {
	side, err := c.side(ctx, f.side)
	if err != nil {
		return stack.Stacks{}, err
	}
	s := stack.Stacks{Side: side, Parameters: map[string]string{}}
	for _, p := range f.parameters {
		name, value, ok := strings.Cut(p, "=")
		if _, twice := s.Parameters[name]; !ok || name == "" || twice {
			return s, brevet.Errorf(brevet.Invalid, "--param %s: write NAME=VALUE, each NAME once", p)
		}
		s.Parameters[name] = value
	}
	given := map[string]string{}
	for _, file := range f.templates {
		text, err := readGiven(file)
		if err != nil {
			return s, err
		}
		t, err := stack.ReadTemplate(file, text)
		if err != nil {
			return s, err
		}
		if other, twice := given[stack.TemplateKind(t)]; twice {
			return s, brevet.Errorf(brevet.Invalid, "%s and %s are both %s", other, file, stack.TemplateKind(t))
		}
		if err := s.Put(t); err != nil {
			return s, err
		}
		given[stack.TemplateKind(t)] = file
	}
	return s, generate(&s, given)
}

// generate makes the templates that are not given.
func generate(s *stack.Stacks, given map[string]string) error {
	files, err := stack.CloudFormation(s.Side)
	if err != nil {
		return err
	}
	for _, f := range files {
		if _, there := given[f.Name]; there || !strings.HasSuffix(f.Name, ".yaml") {
			continue
		}
		t, err := stack.ReadTemplate(f.Name, f.Text)
		if err != nil {
			return err
		}
		if err := s.Put(t); err != nil {
			return err
		}
	}
	return nil
}

func (c *cli) proveClaims(f proveFlags, s stack.Stacks, scenarios []stack.Scenario) error {
	outcomes, err := stack.Prove(s, scenarios)
	if err != nil {
		return err
	}
	if c.json {
		stack.Alone(s, scenarios, outcomes)
	}
	if f.junit != "" {
		text, err := junit(outcomes)
		if err != nil {
			return err
		}
		if err := os.WriteFile(f.junit, text, 0o666); err != nil {
			return brevet.Errorf(brevet.Invalid, "cannot write %s: %s", f.junit, rootCause(err))
		}
	}
	if err := c.print(outcomes, func() { c.showClaims(outcomes, f.long, c.asked(s.Side.Account)) }); err != nil {
		return err
	}
	if _, missed, _ := stack.Counts(outcomes); missed > 0 {
		return brevet.Errorf(brevet.Conflict, "%s not hold", count(missed, "claim does", "claims do")).
			WithHint("do not deploy it; brevet stack cloudformation writes templates for which they do")
	}
	return nil
}

func (c *cli) proveMutants(s stack.Stacks, scenarios []stack.Scenario) error {
	mutants, err := stack.Mutate(s, scenarios, func(_ stack.Mutant, n, of int) {
		if n%100 == 0 {
			c.say("%d of %d", n, of)
		}
	})
	if err != nil {
		return err
	}
	survived := 0
	for _, m := range mutants {
		if m.Survived() {
			survived++
		}
	}
	if err := c.print(mutants, func() { c.showMutants(mutants, survived, c.asked(s.Side.Account)) }); err != nil {
		return err
	}
	if survived > 0 {
		return brevet.Errorf(brevet.Conflict, "%s went unnoticed", count(survived, "weakness", "weaknesses")).
			WithHint("write a scenario that notices it: --scenarios FILE")
	}
	return nil
}
