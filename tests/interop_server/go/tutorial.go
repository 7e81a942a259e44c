package main

import (
	"fmt"

	restate "github.com/restatedev/sdk-go"
)

// The services of the tutorials, the same as in python_tutorial.py, made by reflection.

// Subscriptions is the part on durable execution.
type Subscriptions struct{}

// Order is what one wants to be subscribed to.
type Order struct {
	User     string   `json:"user"`
	Card     string   `json:"card"`
	Services []string `json:"services"`
}

// Add pays, and subscribes with one service after the other.
func (Subscriptions) Add(ctx restate.Context, order Order) (string, error) {
	payment := restate.UUID(ctx).String()
	err := restate.RunVoid(ctx, func(restate.RunContext) error {
		fmt.Printf("charged %s for %s\n", order.Card, payment)
		return nil
	}, restate.WithName("pay"))
	if err != nil {
		return "", err
	}
	for _, service := range order.Services {
		err := restate.RunVoid(ctx, func(restate.RunContext) error {
			return join(order.User, service)
		}, restate.WithName("subscribe to "+service))
		if err != nil {
			return "", err
		}
	}
	return payment, nil
}

// join subscribes with a service that is always out of order when it is first asked.
func join(user, service string) error {
	if tried(user, service) == 1 {
		return fmt.Errorf("%s does not answer", service)
	}
	fmt.Printf("subscribed %s to %s\n", user, service)
	return nil
}

// Greeter is the part on virtual objects.
type Greeter struct{}

// Greet counts.
func (Greeter) Greet(ctx restate.ObjectContext, greeting string) (string, error) {
	count, err := restate.Get[int](ctx, "count")
	if err != nil {
		return "", err
	}
	restate.Set(ctx, "count", count+1)
	return fmt.Sprintf("%s %s, greeting number %d", greeting, restate.Key(ctx), count+1), nil
}

// Ungreet takes one back.
func (Greeter) Ungreet(ctx restate.ObjectContext) (string, error) {
	count, err := restate.Get[int](ctx, "count")
	if err != nil {
		return "", err
	}
	count = max(count-1, 0)
	restate.Set(ctx, "count", count)
	return fmt.Sprintf("%s is left with %d", restate.Key(ctx), count), nil
}

// Accounts is the part on workflows.
type Accounts struct{}

// User is who wants an account.
type User struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

// Run makes an account, and waits until its owner clicks.
func (Accounts) Run(ctx restate.WorkflowContext, user User) (bool, error) {
	secret := restate.UUID(ctx).String()
	restate.Set(ctx, "status", "unverified")
	if err := tell(ctx, "created %s for %s\n", restate.Key(ctx), user.Name); err != nil {
		return false, err
	}
	if err := tell(ctx, "mailed %s to %s\n", secret, user.Email); err != nil {
		return false, err
	}
	clicked, err := restate.Promise[string](ctx, "clicked").Result()
	if err != nil {
		return false, err
	}
	status := map[bool]string{true: "verified", false: "refused"}[clicked == secret]
	restate.Set(ctx, "status", status)
	return clicked == secret, nil
}

// tell says what happens outside: what the world would see of it.
func tell(ctx restate.WorkflowContext, text string, values ...any) error {
	return restate.RunVoid(ctx, func(restate.RunContext) error {
		fmt.Printf(text, values...)
		return nil
	})
}

// Click is what the link in the mail does.
func (Accounts) Click(ctx restate.WorkflowSharedContext, secret string) error {
	return restate.Promise[string](ctx, "clicked").Resolve(secret)
}

// Status tells how far an account has come.
func (Accounts) Status(ctx restate.WorkflowSharedContext) (string, error) {
	status, err := restate.Get[string](ctx, "status")
	if status == "" {
		status = "unknown"
	}
	return status, err
}
