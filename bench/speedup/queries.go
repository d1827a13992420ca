package main

// query is one of the integration guide's.
type query struct {
	name, sql string
	// mysql is the statement in MySQL's words, where the guide's are not.
	mysql string
	args  []any
}

// queries are the guide's statements on a shop whose newest orders are of today; its reports are of the last thirty days.
func queries(start, end string) []query {
	between := " BETWEEN '" + start + "' AND '" + end + "'"
	report := func(day string) string {
		return "SELECT " + day + " as date, COUNT(*) as orderCount, SUM(total) as totalRevenue, AVG(total) as avgOrderValue FROM `Order` WHERE createdAt" + between + " GROUP BY date ORDER BY date"
	}
	products := func(day string) string {
		return "SELECT " + day + " as date, p.name as topProduct, SUM(oi.quantity * oi.price) as topProductRevenue FROM `Order` o JOIN OrderItem oi ON o.id = oi.orderId JOIN Product p ON oi.productId = p.id WHERE o.createdAt" +
			between + " GROUP BY date, p.id, p.name ORDER BY date, topProductRevenue DESC"
	}
	return []query{
		{name: "dashboard: users", sql: "SELECT COUNT(*) as count FROM User"},
		{name: "dashboard: orders", sql: "SELECT COUNT(*) as count FROM `Order`"},
		{name: "dashboard: revenue", sql: "SELECT COALESCE(SUM(total), 0) as sum FROM `Order`"},
		{name: "dashboard: average order", sql: "SELECT COALESCE(AVG(total), 0) as avg FROM `Order`"},
		{name: "dashboard: orders today", sql: "SELECT COUNT(*) as count FROM `Order` WHERE DATE(createdAt) = CURRENT_DATE"},
		{name: "dashboard: revenue today", sql: "SELECT COALESCE(SUM(total), 0) as sum FROM `Order` WHERE DATE(createdAt) = CURRENT_DATE"},
		{name: "analytics: one user", sql: "SELECT u.id as userId, u.name, u.email, COUNT(o.id) as totalOrders, COALESCE(SUM(o.total), 0) as totalRevenue, MAX(o.createdAt) as lastOrderDate FROM User u LEFT JOIN `Order` o ON u.id = o.userId WHERE u.id = ? GROUP BY u.id, u.name, u.email", args: []any{4711}},
		{name: "analytics: top customers", sql: "SELECT u.id as userId, u.name, u.email, COUNT(o.id) as totalOrders, SUM(o.total) as totalRevenue FROM User u JOIN `Order` o ON u.id = o.userId GROUP BY u.id, u.name, u.email ORDER BY totalRevenue DESC LIMIT ?", args: []any{10}},
		{name: "report: sales of 30 days", sql: report("DATE_TRUNC('day', createdAt)"), mysql: report("DATE(createdAt)")},
		{name: "report: products of 30 days", sql: products("DATE_TRUNC('day', o.createdAt)"), mysql: products("DATE(o.createdAt)")},
	}
}
