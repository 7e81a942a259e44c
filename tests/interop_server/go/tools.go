package main

import (
	"errors"
	"fmt"
	"time"

	restate "github.com/restatedev/sdk-go"
)

func tools() restate.ServiceDefinition {
	return restate.NewService("Tools").
		Handler("greet", restate.NewServiceHandler(greet)).
		Handler("steps", restate.NewServiceHandler(steps)).
		Handler("nap", restate.NewServiceHandler(nap)).
		Handler("flaky", restate.NewServiceHandler(flaky)).
		Handler("stumble", restate.NewServiceHandler(stumble)).
		Handler("stubborn", restate.NewServiceHandler(stubborn, restate.WithInvocationRetryPolicy(
			restate.WithInitialRetryInterval(10*time.Millisecond),
			restate.WithMaxRetryAttempts(2),
			restate.PauseOnMaxAttempts(),
		))).
		Handler("exhaust", restate.NewServiceHandler(exhaust)).
		Handler("refuse", restate.NewServiceHandler(refuse)).
		Handler("observe", restate.NewServiceHandler(observe)).
		Handler("relay", restate.NewServiceHandler(relay)).
		Handler("send", restate.NewServiceHandler(send)).
		Handler("once", restate.NewServiceHandler(once)).
		Handler("attach", restate.NewServiceHandler(attach)).
		Handler("awaken", restate.NewServiceHandler(awaken)).
		Handler("resolve", restate.NewServiceHandler(resolve, restate.WithIngressPrivate(true))).
		Handler("spurn", restate.NewServiceHandler(spurn)).
		Handler("reject", restate.NewServiceHandler(reject)).
		Handler("listen", restate.NewServiceHandler(listen)).
		Handler("whistle", restate.NewServiceHandler(whistle)).
		Handler("race", restate.NewServiceHandler(race)).
		Handler("abandon", restate.NewServiceHandler(abandon)).
		Handler("undo", restate.NewServiceHandler(undo)).
		Handler("dice", restate.NewServiceHandler(dice)).
		Handler("header", restate.NewServiceHandler(header)).
		Handler("journey", restate.NewServiceHandler(journey)).
		Handler("echo", restate.NewServiceHandler(echo, restate.WithBinary))
}

func greet(_ restate.Context, name string) (string, error) {
	return "Hello " + name, nil
}

func steps(ctx restate.Context, count int) (int, error) {
	total := 0
	for number := range count {
		value, err := restate.Run(ctx, func(restate.RunContext) (int, error) {
			return number, nil
		}, restate.WithName(fmt.Sprintf("step %d", number)))
		if err != nil {
			return 0, err
		}
		total += value
	}
	return total, nil
}

func nap(ctx restate.Context, milliseconds int) (string, error) {
	if err := restate.Sleep(ctx, time.Duration(milliseconds)*time.Millisecond); err != nil {
		return "", err
	}
	return "rested", nil
}

func flaky(ctx restate.Context, name string) (int, error) {
	return restate.Run(ctx, func(restate.RunContext) (int, error) {
		number := tried("run", name)
		if number < 3 {
			return 0, errors.New("not yet")
		}
		return number, nil
	}, restate.WithName("fail twice"))
}

func stumble(ctx restate.Context, name string) ([]int, error) {
	executed, err := restate.Run(ctx, func(restate.RunContext) (int, error) {
		return tried("execution", name), nil
	}, restate.WithName("once"))
	if err != nil {
		return nil, err
	}
	attempts := tried("attempt", name)
	if attempts < 3 {
		return nil, errors.New("stumbled")
	}
	return []int{executed, attempts}, nil
}

func stubborn(_ restate.Context, name string) (int, error) {
	attempts := tried("stubborn", name)
	if attempts < 4 {
		return 0, errors.New("not before the fourth time")
	}
	return attempts, nil
}

func exhaust(ctx restate.Context, name string) (string, error) {
	err := restate.RunVoid(ctx, func(restate.RunContext) error {
		return fmt.Errorf("never, said %d times", tried("exhausting", name))
	}, restate.WithMaxRetryAttempts(3), restate.WithInitialRetryInterval(10*time.Millisecond))
	if err != nil {
		return err.Message(), nil
	}
	return "succeeded", nil
}

func refuse(_ restate.Context, code int) (string, error) {
	refusal := errors.New("no")
	return "", restate.ToTerminalError(refusal, restate.WithErrorCode(restate.Code(code)))
}

func observe(ctx restate.Context, code int) (string, error) {
	answer, err := restate.Service[string](ctx, "Tools", "refuse").Request(code)
	if err != nil {
		return fmt.Sprintf("%d %s", err.Code(), err.Message()), nil
	}
	return answer, nil
}

func relay(ctx restate.Context, name string) ([]string, error) {
	client := restate.Service[string](ctx, "Tools", "greet")
	first, err := client.Request(name)
	if err != nil {
		return nil, err
	}
	answers := []string{first}
	a, b := client.RequestFuture("a"), client.RequestFuture("b")
	for _, err := range restate.Wait(ctx, a, b) {
		if err != nil {
			return nil, err
		}
	}
	for _, future := range []restate.ResponseFuture[string]{a, b} {
		answer, err := future.Response()
		if err != nil {
			return nil, err
		}
		answers = append(answers, answer)
	}
	return answers, nil
}

func send(ctx restate.Context, key string) (string, error) {
	client := restate.ObjectSend(ctx, "Counter", key, "add")
	client.Send(5)
	return client.Send(7, restate.WithDelay(100*time.Millisecond)).GetInvocationId(), nil
}

func once(ctx restate.Context, key string) ([]int, error) {
	totals := []int{}
	for range 2 {
		client := restate.Object[int](ctx, "Counter", key, "add")
		total, err := client.Request(1, restate.WithIdempotencyKey(key))
		if err != nil {
			return nil, err
		}
		totals = append(totals, total)
	}
	return totals, nil
}

func attach(ctx restate.Context, name string) (string, error) {
	client := restate.ServiceSend(ctx, "Tools", "greet")
	sent := client.Send(name, restate.WithIdempotencyKey(name))
	return restate.AttachInvocation[string](ctx, sent.GetInvocationId()).Response()
}

func awaken(ctx restate.Context, _ string) (string, error) {
	awakeable := restate.Awakeable[string](ctx)
	restate.ServiceSend(ctx, "Tools", "resolve").Send(awakeable.Id())
	return awakeable.Result()
}

func resolve(ctx restate.Context, id string) (restate.Void, error) {
	restate.ResolveAwakeable(ctx, id, "woken")
	return restate.Void{}, nil
}

func spurn(ctx restate.Context, _ string) (string, error) {
	awakeable := restate.Awakeable[string](ctx)
	restate.ServiceSend(ctx, "Tools", "reject").Send(awakeable.Id())
	answer, err := awakeable.Result()
	if err != nil {
		return "rejected: " + err.Message(), nil
	}
	return answer, nil
}

func reject(ctx restate.Context, id string) (restate.Void, error) {
	restate.RejectAwakeable(ctx, id, errors.New("unwanted"))
	return restate.Void{}, nil
}

func listen(ctx restate.Context, _ string) (string, error) {
	return restate.Signal[string](ctx, "whistle").Result()
}

func whistle(ctx restate.Context, invocationID string) (restate.Void, error) {
	restate.ResolveSignal(ctx, invocationID, "whistle", "heard")
	return restate.Void{}, nil
}

func race(ctx restate.Context, _ string) (string, error) {
	slow, fast := restate.After(ctx, time.Minute), restate.After(ctx, 20*time.Millisecond)
	first, err := restate.WaitFirst(ctx, slow, fast)
	if err != nil {
		return "", err
	}
	if first == slow {
		return "slow", nil
	}
	return "fast", nil
}

func abandon(ctx restate.Context, _ string) (string, error) {
	child := restate.Service[string](ctx, "Tools", "nap").RequestFuture(600_000)
	restate.CancelInvocation(ctx, child.GetInvocationId())
	answer, err := child.Response()
	if err != nil {
		return fmt.Sprint(err.Code()), nil
	}
	return answer, nil
}

func undo(ctx restate.Context, key string) (nothing restate.Void, err error) {
	client := restate.Object[int](ctx, "Counter", key, "add")
	if _, err := client.Request(3); err != nil {
		return nothing, err
	}
	cancelled := restate.Sleep(ctx, 10*time.Minute)
	if cancelled == nil {
		return nothing, nil
	}
	if _, err := client.Request(-3); err != nil {
		return nothing, err
	}
	return nothing, cancelled
}

func dice(ctx restate.Context, _ string) (bool, error) {
	drawn := restate.Rand(ctx).Uint32()
	recorded, err := restate.Run(ctx, func(restate.RunContext) (uint32, error) {
		return drawn, nil
	})
	if err != nil {
		return false, err
	}
	if err := restate.Sleep(ctx, 20*time.Millisecond); err != nil {
		return false, err
	}
	return drawn == recorded, nil
}

func header(ctx restate.Context, name string) (string, error) {
	return ctx.Request().Headers.Get(name), nil
}

func journey(ctx restate.Context, key string) (int, error) {
	walked := 0
	for stage := range 5 {
		step, err := restate.Run(ctx, func(restate.RunContext) (int, error) {
			return 1, nil
		}, restate.WithName(fmt.Sprintf("stage %d", stage)))
		if err != nil {
			return 0, err
		}
		walked += step
		if _, err := restate.Object[int](ctx, "Counter", key, "add").Request(1); err != nil {
			return 0, err
		}
		if err := restate.Sleep(ctx, 100*time.Millisecond); err != nil {
			return 0, err
		}
	}
	return walked, nil
}

func echo(_ restate.Context, data []byte) ([]byte, error) {
	return data, nil
}
