package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/chittihq/duckling/testkit/mysqltest"
)

// The integration guide's own code, taken out of its text, runs as three Node services against
// Duckling and answers with MySQL's numbers.
func TestGuide(t *testing.T) {
	ctx := t.Context()
	examples := prepareExamples(ctx, t)
	server := mysqltest.ForTest(t, mysqltest.MySQL)
	source := newGuideSource(ctx, t, server)
	s := newStack(t, "", "DATABASES_FILE="+source.databasesFile)
	start(ctx, t, s)
	source.awaitCopy(ctx, t, s)
	redis := startRedis(ctx, t)

	before := webSockets(ctx, t, s)
	api := startNode(ctx, t, examples, "api-service", s.WebSocket(), "REDIS_URL=redis://"+redis)
	t.Run("connections", func(t *testing.T) {
		// One that is shared, five of the pool, two of the multi-database service.
		eventually(ctx, t, "8 connections", func() error {
			if n := webSockets(ctx, t, s) - before; n != 8 {
				return fmt.Errorf("there are %d", n)
			}
			return nil
		})
		for n := 1; n <= 5; n++ {
			api.logs(ctx, t, fmt.Sprintf("Connection %d/5 established", n))
		}
		api.logs(ctx, t, "Connection pool ready")
	})
	report := startNode(ctx, t, examples, "report-service", s.WebSocket())
	dashboard := startNode(ctx, t, examples, "dashboard-service", s.WebSocket(), "REDIS_URL=redis://"+redis)

	t.Run("user analytics", func(t *testing.T) { testUserAnalytics(ctx, t, api, source) })
	t.Run("top customers", func(t *testing.T) { testTopCustomers(ctx, t, api, source) })
	t.Run("pool", func(t *testing.T) { testPool(ctx, t, api, source) })
	t.Run("databases", func(t *testing.T) { testDatabases(ctx, t, api) })
	t.Run("performance", func(t *testing.T) { testPerformance(ctx, t, api, source) })
	t.Run("daily sales", func(t *testing.T) { testDailySales(ctx, t, report, source) })
	t.Run("dashboard", func(t *testing.T) { testDashboard(ctx, t, dashboard, source, "/metrics") })
	t.Run("REST samples", func(t *testing.T) { testRestSamples(ctx, t, s, source) })
	t.Run("outage", func(t *testing.T) {
		testDashboard(ctx, t, dashboard, source, "/metrics/fallback")
		for _, path := range breakers {
			api.get(ctx, t, path, http.StatusOK)
		}
		if err := s.Gateway.Kill(); err != nil {
			t.Fatal(err)
		}
		t.Run("fallback", func(t *testing.T) { testFallback(ctx, t, dashboard, redis) })
		t.Run("breaker opens", func(t *testing.T) { testBreakerOpens(ctx, t, api) })
		start(ctx, t, s)
		t.Run("breaker closes", func(t *testing.T) { testBreakerCloses(ctx, t, api, source) })
		t.Run("dashboard comes back", func(t *testing.T) { testDashboard(ctx, t, dashboard, source, "/metrics") })
	})
}

// Three samples do not compile as they are written, and only these; what their patches make of them does.
func TestGuideSamplesThatDoNotCompile(t *testing.T) {
	ctx := t.Context()
	examples := prepareExamples(ctx, t)
	if output, err := inExamples(ctx, examples, "npx", "--no-install", "tsc"); err != nil {
		t.Errorf("the services do not compile: %v\n%s", err, output)
	}
	output, err := inExamples(ctx, examples, "npx", "--no-install", "tsc", "-p", "tsconfig.as-written.json")
	if err == nil {
		t.Fatal("every sample compiles as it is written: the patches are no longer needed")
	}
	wrong := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^generated/([\w./-]+)\(`).FindAllStringSubmatch(output, -1) {
		wrong[m[1]] = true
	}
	for file, says := range map[string]string{
		"api-service/routes/multi-db.ts":              "Cannot find name 'router'",
		"api-service/routes/top-customers.ts":         "Cannot find name 'trackQueryPerformance'",
		"dashboard-service/utils/metrics-fallback.ts": "Cannot find name 'getDashboardMetrics'",
	} {
		if !wrong[file] || !strings.Contains(output, says) {
			t.Errorf("%s is not said to be wrong: %s", file, says)
		}
		delete(wrong, file)
	}
	if len(wrong) > 0 {
		t.Errorf("more is wrong: %v\n%s", wrong, output)
	}
}

func testUserAnalytics(ctx context.Context, t *testing.T, api *nodeService, source *guideSource) {
	const users = `SELECT u.id, u.name, u.email, COUNT(o.id), COALESCE(SUM(o.total), 0), MAX(o.createdAt) FROM User u
		LEFT JOIN ` + "`Order`" + ` o ON u.id = o.userId WHERE %s GROUP BY u.id, u.name, u.email ORDER BY 4 DESC, 1 LIMIT 3`
	busiest := source.rows(ctx, t, fmt.Sprintf(users, "TRUE"))
	idle := source.rows(ctx, t, fmt.Sprintf(users, "u.email = 'nobody@example.com'"))
	for _, want := range append(busiest, idle...) {
		var got map[string]any
		api.getJSON(ctx, t, "/users/"+want[0]+"/analytics", &got)
		mustMatch(t, got, map[string]string{
			"userId": want[0], "name": want[1], "email": want[2], "totalOrders": want[3], "totalRevenue": want[4], "lastOrderDate": want[5],
		})
	}
	if body := api.get(ctx, t, "/users/999999/analytics", http.StatusNotFound); body != `{"error":"User not found"}` {
		t.Errorf("an unknown user: %s", body)
	}
}

func testTopCustomers(ctx context.Context, t *testing.T, api *nodeService, source *guideSource) {
	for path, limit := range map[string]string{"/customers/top": "10", "/customers/top?limit=3": "3"} {
		want := source.rows(ctx, t, "SELECT u.id, u.name, u.email, COUNT(o.id), SUM(o.total) FROM User u JOIN `Order` o ON u.id = o.userId "+
			"GROUP BY u.id, u.name, u.email ORDER BY 5 DESC LIMIT "+limit)
		var got []map[string]any
		api.getJSON(ctx, t, path, &got)
		mustHave(t, len(got), len(want))
		for i, w := range want {
			mustMatch(t, got[i], map[string]string{"userId": w[0], "name": w[1], "email": w[2], "totalOrders": w[3], "totalRevenue": w[4]})
		}
	}
}

func testPool(ctx context.Context, t *testing.T, api *nodeService, source *guideSource) {
	orders := source.rows(ctx, t, "SELECT COUNT(*) FROM `Order`")[0][0]
	for range 10 { // each connection twice
		var got []map[string]any
		api.getJSON(ctx, t, "/pool/orders", &got)
		mustHave(t, len(got), 1)
		mustMatch(t, got[0], map[string]string{"orders": orders})
	}
	want := source.rows(ctx, t, "SELECT COUNT(*) FROM `Order` GROUP BY userId % 5 ORDER BY userId % 5")
	var batch [][]map[string]any
	api.getJSON(ctx, t, "/pool/batch", &batch)
	mustHave(t, len(batch), len(want))
	for i, rows := range batch {
		mustMatch(t, rows[0], map[string]string{"orders": want[i][0]})
	}
}

// One service reads two databases, each by its own connection.
func testDatabases(ctx context.Context, t *testing.T, api *nodeService) {
	var users, actions []map[string]any
	api.getJSON(ctx, t, "/lms/users", &users)
	api.getJSON(ctx, t, "/common/actions", &actions)
	mustHave(t, len(users), 2)
	mustHave(t, len(actions), 10) // of 12
	for _, user := range users {
		if name, _ := user["name"].(string); !strings.HasPrefix(name, "Learner ") {
			t.Errorf("lms has the user %v", user)
		}
	}
	for _, action := range actions {
		if _, ok := action["verb"]; !ok {
			t.Errorf("chitti_common has the action %v", action)
		}
	}
	api.logs(ctx, t, "Initialized connection for database: Learning Management System")
}

func testPerformance(ctx context.Context, t *testing.T, api *nodeService, source *guideSource) {
	want := source.rows(ctx, t, "SELECT id, revenue FROM User ORDER BY revenue DESC LIMIT 10")
	var got []map[string]any
	api.getJSON(ctx, t, "/customers/revenue", &got)
	mustHave(t, len(got), len(want))
	for i, w := range want {
		mustMatch(t, got[i], map[string]string{"id": w[0], "revenue": w[1]})
	}
	api.logs(ctx, t, `Query get_top_customers completed in \d+\.\d\dms`)
}

func testDailySales(ctx context.Context, t *testing.T, report *nodeService, source *guideSource) {
	const between = "createdAt BETWEEN '2025-04-01' AND '2025-04-30'"
	days := source.rows(ctx, t, "SELECT DATE(createdAt), COUNT(*), SUM(total), AVG(total) FROM `Order` WHERE "+between+" GROUP BY 1 ORDER BY 1")
	top := map[string]bool{} // "day name revenue" of each day's best products, ties included
	for _, row := range source.rows(ctx, t, `WITH sold AS (
			SELECT DATE(o.createdAt) AS day, p.id, p.name, SUM(i.quantity * i.price) AS revenue,
				MAX(SUM(i.quantity * i.price)) OVER (PARTITION BY DATE(o.createdAt)) AS best
			FROM `+"`Order`"+` o JOIN OrderItem i ON i.orderId = o.id JOIN Product p ON p.id = i.productId
			WHERE o.`+between+` GROUP BY 1, 2, 3)
		SELECT day, name, revenue FROM sold WHERE revenue = best`) {
		top[row[0]+" "+row[1]+" "+decimal(t, row[2])] = true
	}
	for path, right := range map[string]bool{"/reports/daily-sales": false, "/reports/daily-sales/fixed": true} {
		var got []map[string]any
		report.getJSON(ctx, t, path+"?from=2025-04-01&to=2025-04-30", &got)
		mustHave(t, len(got), len(days))
		var wrong []any
		for i, w := range days {
			mustMatch(t, got[i], map[string]string{"date": w[0] + " 00:00:00", "orderCount": w[1], "totalRevenue": w[2], "avgOrderValue": w[3]})
			if !top[fmt.Sprintf("%s %s %s", w[0], got[i]["topProduct"], decimal(t, got[i]["topProductRevenue"]))] {
				wrong = append(wrong, got[i])
			}
		}
		if right && len(wrong) > 0 {
			t.Errorf("not the best product of its day: %v", wrong)
		}
		if !right && len(wrong) == 0 {
			t.Error("the sample names each day's best product as it is written: its patch is no longer needed")
		}
	}
}

func testDashboard(ctx context.Context, t *testing.T, dashboard *nodeService, source *guideSource, path string) {
	// "Today" may end between the two answers; then the next are compared.
	eventually(ctx, t, "the dashboard to agree with MySQL", func() error {
		want := source.rows(ctx, t, "SELECT (SELECT COUNT(*) FROM User), COUNT(*), SUM(total), AVG(total), "+
			"COALESCE(SUM(DATE(createdAt) = CURRENT_DATE), 0), COALESCE(SUM(IF(DATE(createdAt) = CURRENT_DATE, total, 0)), 0) FROM `Order`")[0]
		var got map[string]any
		dashboard.getJSON(ctx, t, path, &got)
		return match(got, map[string]string{
			"totalUsers": want[0], "totalOrders": want[1], "totalRevenue": want[2], "avgOrderValue": want[3], "ordersToday": want[4], "revenueToday": want[5],
		})
	})
	dashboard.logs(ctx, t, `Query dashboard_metrics completed in \d+\.\d\dms`)
}

// With Duckling down the metrics come from Redis, where the last good answer is kept for five minutes.
func testFallback(ctx context.Context, t *testing.T, dashboard *nodeService, redis string) {
	if ttl := askRedis(ctx, t, redis, "TTL dashboard:metrics"); ttl < 1 || ttl > 300 {
		t.Errorf("the metrics are kept for %d s", ttl)
	}
	dashboard.get(ctx, t, "/metrics", http.StatusServiceUnavailable)
	dashboard.logs(ctx, t, `Query dashboard_metrics failed after \d+\.\d\dms`)
	var cached map[string]any
	dashboard.getJSON(ctx, t, "/metrics/fallback", &cached)
	if err := match(cached, map[string]string{"totalUsers": fmt.Sprint(guideScale.Users + 1)}); err != nil {
		t.Error(err)
	}
	dashboard.logs(ctx, t, "DuckDB query failed, using cached data")
	if n := askRedis(ctx, t, redis, "DEL dashboard:metrics"); n != 1 {
		t.Errorf("%d keys were deleted", n)
	}
	if body := dashboard.get(ctx, t, "/metrics/fallback", http.StatusServiceUnavailable); !strings.Contains(body, "DuckDB unavailable and no cached data") {
		t.Errorf("without a cache: %s", body)
	}
}

// breakers are the sample's circuit breaker as it is written, and as its patch has it.
var breakers = []string{"/breaker/orders", "/breaker/orders/fixed"}

func testBreakerOpens(ctx context.Context, t *testing.T, api *nodeService) {
	for i, path := range breakers {
		for n := 1; n <= 5; n++ {
			if body := api.get(ctx, t, path, http.StatusServiceUnavailable); !strings.Contains(body, "Connection ") {
				t.Errorf("failure %d of %s is %s", n, path, body)
			}
		}
		api.logsTimes(ctx, t, "Circuit breaker: OPEN", i+1)
		if body := api.get(ctx, t, path, http.StatusServiceUnavailable); !strings.Contains(body, "Circuit breaker is OPEN") {
			t.Errorf("%s after five failures: %s", path, body)
		}
	}
}

// Both breakers had a success before they opened. That is why the sample as it is written closes after one more, where two are meant.
func testBreakerCloses(ctx context.Context, t *testing.T, api *nodeService, source *guideSource) {
	for _, path := range breakers {
		if body := api.get(ctx, t, path, http.StatusServiceUnavailable); !strings.Contains(body, "Circuit breaker is OPEN") {
			t.Errorf("%s within the minute: %s", path, body)
		}
	}
	if err := api.process.Signal(syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	api.logs(ctx, t, "the clock was put on")
	orders := source.rows(ctx, t, "SELECT COUNT(*) FROM `Order`")[0][0]
	for i, path := range breakers {
		for n := 1; n <= 2; n++ {
			var got []map[string]any
			api.getJSON(ctx, t, path, &got)
			mustHave(t, len(got), 1)
			mustMatch(t, got[0], map[string]string{"orders": orders})
			closed := 1 // the sample's own
			if path == breakers[1] && n == 2 {
				closed = 2
			}
			// What is logged last has been written once the answer's line is there.
			api.logsTimes(ctx, t, "Circuit breaker: HALF_OPEN", i+1)
			api.logsTimes(ctx, t, "Circuit breaker: CLOSED", closed)
		}
	}
}

// deploy/guide.compose.yaml is the guide's Compose file; the lines that differ are listed here. (The guide's text has lost its
// indentation, so lines are compared without it.)
func TestGuideComposeFile(t *testing.T) {
	guide, ours := trimmedLines(t, "../../examples/guide/guide.txt"), trimmedLines(t, "../../deploy/guide.compose.yaml")
	first := slices.IndexFunc(guide, func(line string) bool { return strings.HasSuffix(line, "version: '3.8'") })
	last := slices.Index(guide, "Error Handling & Resilience")
	if first < 0 || last < first {
		t.Fatal("the guide has no Compose file where it was")
	}
	// Images that are built here: from the repository's root, since they hold the client and the binaries from here.
	builtHere := map[string][]string{
		"image: your-registry/duckling-server:latest": {"image: duckling/duckling-server:${DUCKLING_VERSION:-dev}"},
	}
	for _, service := range []string{"api-service", "report-service", "dashboard-service"} {
		builtHere["build: ./"+service] = []string{"build:", "context: ..", "dockerfile: examples/Dockerfile", "target: " + service}
	}
	for _, line := range guide[first+1 : last] {
		want, differs := builtHere[line]
		delete(builtHere, line)
		if !differs {
			want = []string{line}
		}
		for _, line := range want {
			at := slices.Index(ours, line)
			if at < 0 {
				t.Fatalf("deploy/guide.compose.yaml lacks %q, or has it out of order", line)
			}
			ours = ours[at+1:]
		}
	}
	if len(builtHere) > 0 {
		t.Errorf("the guide does not have: %v", builtHere)
	}
}

func trimmedLines(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return lines
}
