package main

import (
	"errors"
	"fmt"

	restate "github.com/restatedev/sdk-go"
)

func counter() restate.ServiceDefinition {
	return restate.NewObject("Counter").
		Handler("add", restate.NewObjectHandler(add)).
		Handler("value", restate.NewObjectSharedHandler(value, restate.WithEnableLazyState(true))).
		Handler("clear", restate.NewObjectHandler(clearAll)).
		Handler("ask", restate.NewObjectHandler(ask)).
		Handler("asked", restate.NewObjectSharedHandler(asked))
}

func add(ctx restate.ObjectContext, amount int) (int, error) {
	total, err := restate.Get[int](ctx, "total")
	if err != nil {
		return 0, err
	}
	restate.Set(ctx, "total", total+amount)
	return total + amount, nil
}

func value(ctx restate.ObjectSharedContext, _ restate.Void) (int, error) {
	return restate.Get[int](ctx, "total")
}

func clearAll(ctx restate.ObjectContext, _ restate.Void) ([]string, error) {
	keys, err := restate.Keys(ctx)
	if err != nil {
		return nil, err
	}
	restate.ClearAll(ctx)
	return keys, nil
}

func ask(ctx restate.ObjectContext, _ restate.Void) (string, error) {
	question := restate.Awakeable[string](ctx)
	restate.Set(ctx, "question", question.Id())
	told, err := question.Result()
	if err != nil {
		return "", err
	}
	restate.Clear(ctx, "question")
	return fmt.Sprintf("%s was told %s", restate.Key(ctx), told), nil
}

func asked(ctx restate.ObjectSharedContext, _ restate.Void) (string, error) {
	return restate.Get[string](ctx, "question")
}

func signup() restate.ServiceDefinition {
	return restate.NewWorkflow("Signup").
		Handler("run", restate.NewWorkflowHandler(run)).
		Handler("approve", restate.NewWorkflowSharedHandler(approve)).
		Handler("decline", restate.NewWorkflowSharedHandler(decline)).
		Handler("look", restate.NewWorkflowSharedHandler(look)).
		Handler("email", restate.NewWorkflowSharedHandler(email))
}

func run(ctx restate.WorkflowContext, address string) (string, error) {
	restate.Set(ctx, "email", address)
	answer, err := restate.Promise[string](ctx, "answer").Result()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s: %s", address, answer), nil
}

func approve(ctx restate.WorkflowSharedContext, answer string) (restate.Void, error) {
	return restate.Void{}, restate.Promise[string](ctx, "answer").Resolve(answer)
}

func decline(ctx restate.WorkflowSharedContext, reason string) (restate.Void, error) {
	return restate.Void{}, restate.Promise[string](ctx, "answer").Reject(errors.New(reason))
}

func look(ctx restate.WorkflowSharedContext, _ restate.Void) (string, error) {
	return restate.Promise[string](ctx, "answer").Peek()
}

func email(ctx restate.WorkflowSharedContext, _ restate.Void) (string, error) {
	return restate.Get[string](ctx, "email")
}
