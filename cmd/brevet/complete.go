package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/client"
)

// completion is what a shell may offer for an argument.
type completion = func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective)

// completeWith offers what list finds for the first argument, or for each where
// every is set. It is quick, and silent where nothing can be found.
func (c *cli) completeWith(every bool, list func(ctx context.Context, s *session) []cobra.Completion) completion {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 && !every {
			return nil, cobra.ShellCompDirectiveDefault
		}
		s, err := c.session()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), 2*time.Second)
		defer cancel()
		var out []cobra.Completion
		for _, item := range list(ctx, s) {
			if strings.HasPrefix(item, typed) {
				out = append(out, item)
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// offer adds a word with what it means, unless it holds what a shell would not
// take for one.
func offer(list []cobra.Completion, word, about string) []cobra.Completion {
	if word != brevet.Printable(word) || strings.ContainsAny(word, " \t") {
		return list
	}
	return append(list, cobra.CompletionWithDesc(word, clip(brevet.Printable(about), 60)))
}

// completeTarget offers the targets that one may ask for.
func (c *cli) completeTarget(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return c.completeWith(false, askable)(cmd, args, typed)
}

func askable(ctx context.Context, s *session) (out []cobra.Completion) {
	targets, _ := s.Targets(ctx)
	for _, t := range targets {
		if plain(t.Target) {
			out = append(out, t.Target)
		}
	}
	return out
}

// completeRequest offers pending requests: one's own, or those that wait for
// one's decision.
func (c *cli) completeRequest(scope string) completion {
	return c.completeWith(false, func(ctx context.Context, s *session) (out []cobra.Completion) {
		list, _ := s.Requests(ctx, client.List{Scope: scope, State: "pending"})
		for _, r := range list {
			out = offer(out, r.ID, r.Person+", "+r.Target+": "+r.Reason)
		}
		return out
	})
}

// completeGrant offers live grants: one's own by their targets too, or all that
// one may see.
func (c *cli) completeGrant(scope string) completion {
	return c.completeWith(false, func(ctx context.Context, s *session) (out []cobra.Completion) {
		list, _ := s.Grants(ctx, client.List{Scope: scope, Live: true})
		for _, g := range list {
			if scope == "mine" {
				out = offer(out, g.Target, leftOf(g, s))
			}
			out = offer(out, g.ID, g.Person+", "+g.Target)
		}
		return out
	})
}

func leftOf(g api.Grant, s *session) string { return "until " + at(g.End, s.now()) }

// choices offers the words that a flag takes.
func choices(cmd *cobra.Command, flag string, words ...cobra.Completion) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic("brevet: --" + flag + ": " + err.Error()) // there is no such flag
	}
}
