package main

import (
	"context"
	"errors"
	"time"

	restate "github.com/restatedev/sdk-go"
	"github.com/restatedev/sdk-go/ingress"
)

// visit talks to the services from outside, with the official client; it gives what it hears.
func visit(url, key string) ([]any, error) {
	ctx, client := context.Background(), ingress.NewClient(url)
	greeting := ingress.Service[string, string](client, "Tools", "greet")
	adding := ingress.Object[int, int](client, "Counter", key, "add")
	once := restate.WithIdempotencyKey(key)

	hello, err := greeting.Request(ctx, "Ada")
	heard := []any{hello}
	for range 2 {
		total, again := adding.Request(ctx, 5, once)
		heard, err = append(heard, total), errors.Join(err, again)
	}

	sent, failure := greeting.Send(ctx, "Bob", once)
	if failure != nil {
		return nil, failure
	}
	answer, failure := sent.Attach(ctx)
	heard, err = append(heard, answer), errors.Join(err, failure)

	later := restate.WithDelay(50 * time.Millisecond)
	added, failure := adding.Send(ctx, 2, later)
	if failure != nil {
		return nil, failure
	}
	total, failure := added.Attach(ctx)
	heard, err = append(heard, total), errors.Join(err, failure)

	_, refusal := ingress.Service[int, string](client, "Tools", "refuse").Request(ctx, 418)
	var told ingress.Error
	if errors.As(refusal, &told) {
		heard = append(heard, told.Code())
	}
	confirmed, failure := signUp(ctx, client, key)
	return append(heard, confirmed...), errors.Join(err, failure)
}

func signUp(ctx context.Context, client *ingress.Client, key string) ([]any, error) {
	workflow := ingress.Workflow[string, string](client, "Signup", key, "run")
	submitted, err := workflow.Send(ctx, "a@b.c")
	if err != nil {
		return nil, err
	}
	_, unready := submitted.Output(ctx)
	var early *ingress.InvocationNotReadyError
	ready := !errors.As(unready, &early)
	approving := ingress.Workflow[string, restate.Void](client, "Signup", key, "approve")
	if _, err := approving.Request(ctx, "yes"); err != nil {
		return nil, err
	}
	answer, err := submitted.Attach(ctx)
	if err != nil {
		return nil, err
	}
	output, err := ingress.WorkflowHandle[string](client, "Signup", key).Output(ctx)
	return []any{ready, answer, output}, err
}
