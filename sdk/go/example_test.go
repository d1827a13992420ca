package duckling_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	duckling "github.com/chittihq/duckling/sdk/go"
)

func Example() {
	ctx := context.Background()
	client, err := duckling.Open(ctx, duckling.Config{URL: exampleURL, APIKey: exampleKey, Database: "shop"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	type customer struct {
		UserID       int64
		Name         string
		TotalOrders  int
		TotalRevenue string // a DECIMAL, to the last digit
	}
	top, err := duckling.Select[customer](ctx, client, `
		SELECT u.id AS userId, u.name, COUNT(o.id) AS totalOrders, SUM(o.total) AS totalRevenue
		FROM User u JOIN `+"`Order`"+` o ON u.id = o.userId
		GROUP BY u.id, u.name ORDER BY totalRevenue DESC LIMIT ?`, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range top {
		fmt.Println(c.Name, c.TotalOrders, c.TotalRevenue)
	}
	// Output:
	// Ada 3 9007199254740993.10
	// Bo 1 20.00
}

func ExampleClient_Query() {
	client := exampleClient()
	defer client.Close()
	result, err := client.Query(context.Background(), "SELECT id, name FROM User WHERE id > ?", 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, row := range result.Rows() {
		var (
			id   int64
			name string
		)
		if err := row.Scan(&id, &name); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(id, name)
	}
	fmt.Printf("generation %d, %v behind the source\n", result.Meta().Generation, result.Meta().Lag)
	// Output:
	// 1 Ada
	// 2 Bo
	// generation 42, 310ms behind the source
}

func ExampleClient_QueryBatch() {
	client := exampleClient()
	defer client.Close()
	results, err := client.QueryBatch(context.Background(),
		duckling.Statement{SQL: "SELECT COUNT(*) AS n FROM User"},
		duckling.Statement{SQL: "SELECT n FROM Usr WHERE id = ?", Args: []any{1}},
	)
	count, _ := duckling.Collect[int](results[0])
	fmt.Println("users:", count[0])

	var failed *duckling.BatchError
	if errors.As(err, &failed) {
		fmt.Println("statement", failed.Index, "failed:", failed.Err)
	}
	// Output:
	// users: 2
	// statement 1 failed: Table "Usr" does not exist
}

func ExampleClient_Stream() {
	client := exampleClient()
	defer client.Close()
	sum := 0
	for row, err := range client.Stream(context.Background(), "SELECT id FROM OrderItem") {
		if err != nil {
			fmt.Println(err)
			return
		}
		var id int
		if err := row.Scan(&id); err != nil {
			fmt.Println(err)
			return
		}
		sum += id
	}
	fmt.Println(sum)
	// Output: 3
}

func ExampleClient_Subscribe() {
	client := exampleClient()
	defer client.Close()
	updates := client.Subscribe(context.Background(), duckling.Subscription{
		SQL:         `SELECT status, COUNT(*) AS n FROM "Order" GROUP BY status`,
		MinInterval: time.Second,
	})
	for update, err := range updates {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s\n", update.Result.JSON())
		break // a service would go on
	}
	// Output: [{"status":"new","n":3}]
}

func ExampleClient_Prepare() {
	client := exampleClient()
	defer client.Close()
	byID, err := client.Prepare(context.Background(), "SELECT name FROM User WHERE id = ?")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer byID.Close()
	result, err := byID.Query(context.Background(), 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", result.JSON())
	// Output: [{"name":"Ada"}]
}

func ExampleError() {
	client := exampleClient()
	defer client.Close()
	_, err := client.Query(context.Background(), "SELEC 1")
	var e *duckling.Error
	if errors.As(err, &e) {
		fmt.Println(e.Code, "at", e.Position)
		fmt.Println(e)
	}
	// Output:
	// SQL_SYNTAX at 0
	// syntax error at or near "SELEC"
}

func ExamplePool() {
	ctx := context.Background()
	pool, err := duckling.OpenPool(ctx, duckling.Config{URL: exampleURL, APIKey: exampleKey}, 5)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()
	users, err := duckling.Get[int](ctx, pool, "SELECT COUNT(*) AS n FROM User")
	fmt.Println(users, err)
	// Output: 2 <nil>
}

func ExampleBreaker() {
	ctx := context.Background()
	pool, err := duckling.NewPool(duckling.Config{URL: "ws://127.0.0.1:1/ws", APIKey: exampleKey}, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()
	cached := []byte(`[{"n":2}]`) // say, from Redis
	guarded := duckling.NewBreaker(pool, duckling.BreakerConfig{
		Failures: 3,
		Fallback: func(context.Context, duckling.Request, error) (*duckling.Result, error) {
			return duckling.ParseResult(cached)
		},
	})
	users, err := duckling.Get[int](ctx, guarded, "SELECT COUNT(*) AS n FROM User")
	fmt.Println(users, err)
	// Output: 2 <nil>
}
