package server

import (
	"context"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/broker"
)

type sealedGlassInput struct {
	Keyed
	Body api.SealedGlass
}

func (s *server) codesRoutes() {
	on(s, route{pattern: api.RouteSealed, id: "breakGlassSealed", about: "Open access in an emergency with two sealed codes, while nobody can sign in", limit: maxBody, hold: true, open: true,
		kinds: []brevet.Kind{brevet.NotFound, brevet.Conflict, brevet.Clock}}, s.breakGlassSealed)
	on(s, route{pattern: api.RouteNewSheet, id: "newSheet", about: "Make the caller's sheet of sealed codes; the one before is void",
		kinds: []brevet.Kind{brevet.StepUp}}, func(ctx context.Context, c brevet.Caller, _ *Keyed) (api.Sheet, error) {
		v, err := s.Broker.NewSheet(ctx, c)
		return api.Sheet{Codes: v.Codes, Made: v.Made, Replaced: v.Replaced}, err
	})
	on(s, route{pattern: api.RouteSheets, id: "listSheets", about: "The caller's sheet of sealed codes, and who else has one"},
		func(ctx context.Context, c brevet.Caller, _ *none) (api.Sheets, error) {
			v, err := s.Broker.Sheets(ctx, c)
			return api.Sheets{Made: v.Made, Left: v.Left, Size: v.Size, Stated: v.Stated, Until: v.Until, Opens: each(v.Opens, sealed)}, err
		})
	onEmpty(s, route{pattern: api.RouteVoidSheet, id: "voidSheet", about: "Make the caller's sheet of sealed codes open nothing any more", kinds: []brevet.Kind{brevet.NotFound}},
		func(ctx context.Context, c brevet.Caller, _ *Keyed) error { return s.Broker.VoidSheet(ctx, c) })
}

// breakGlassSealed takes no notice of the idempotency key: a code works once,
// and the answer holds a secret that is kept nowhere.
func (s *server) breakGlassSealed(ctx context.Context, _ brevet.Caller, in *sealedGlassInput) (api.SealedOpened, error) {
	d, err := duration("duration", in.Body.Duration)
	if err != nil {
		return api.SealedOpened{}, err
	}
	x := exchangeOf(ctx)
	v, token, c, err := s.Broker.BreakGlassSealed(ctx, broker.SealedGlass{
		BreakGlass: broker.BreakGlass{Target: in.Body.Target, Duration: d, Reason: in.Body.Reason},
		As:         in.Body.As.Handle, Code: in.Body.As.Code, With: in.Body.Second.Handle, WithCode: in.Body.Second.Code,
		Device: in.Body.Device, Addr: x.addr})
	if err != nil {
		return api.SealedOpened{}, err
	}
	x.caller = &c
	g, err := s.glass(v)
	return api.SealedOpened{Glass: g, Token: token, Expires: c.SignIn.Expires, Person: string(c.Person.ID), Handle: string(c.Person.Handle), LogKey: s.Broker.LogKey}, err
}

func sealed(v broker.Sealed) api.Sealed {
	return api.Sealed{Entitlement: v.Entitlement, Targets: list(v.Targets), Second: v.Second, Mine: v.Mine, Lend: v.Lend,
		Holders: each(v.Holders, func(h brevet.Handle) string { return string(h) }), Unusable: v.Unusable}
}
