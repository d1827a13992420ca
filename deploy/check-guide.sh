# shellcheck shell=bash
# The guide's three services, as check.sh asks them: over HTTP, their numbers against MySQL's.

load_shop() { compose exec -T -e MYSQL_PWD=root mysql mysql --host=127.0.0.1 --user=root myapp < deploy/check-guide.sql; }

# http SERVICE PATH: the body; fails unless the status is 200.
http() {
  local port
  case $1 in api-service) port=4000 ;; report-service) port=4001 ;; *) port=4002 ;; esac
  curl --silent --show-error --fail --max-time 30 "http://$(compose port "$1" "$port")$2"
}

# numbers FIELD...: the rows of the JSON on stdin, or of tab-separated text when no field is
# named, one a line. Numbers get three decimals, since the two sides write them differently.
numbers() {
  compose exec -T dashboard-service node --eval '
    const text = require("fs").readFileSync(0, "utf8");
    const fields = process.argv.slice(1);
    const rows = fields.length > 0 ? [JSON.parse(text)].flat().map((row) => fields.map((name) => String(row[name])))
      : text.trimEnd().split("\n").map((line) => line.split("\t"));
    const cell = (value) => (value.trim() === "" || isNaN(value) ? value : Number(value).toFixed(3));
    for (const row of rows) console.log(row.map(cell).join(" "));' "$@"
}

# agree SERVICE PATH "FIELD..." SQL: the service answers what MySQL does, within a minute.
agree() {
  local limit=$(($(date +%s) + 60)) got want fields
  read -ra fields <<< "$3"
  while :; do
    want=$(compose exec -T -e MYSQL_PWD=root mysql mysql --host=127.0.0.1 --user=root --batch --skip-column-names myapp --execute "$4" | numbers)
    if got=$(http "$1" "$2" | numbers "${fields[@]}" 2>&1) && [[ -n ${want// /} && $got == "$want" ]]; then break; fi
    [ "$(date +%s)" -lt "$limit" ] || die "$1 answers $2 with '$got', MySQL with '$want'"
    sleep 0.2
  done
  say "$1 $2 agrees with MySQL: $(wc -l <<< "$want") rows, the first $(head -1 <<< "$want")"
}

# dashboard PATH
dashboard() {
  # shellcheck disable=SC2016 # MySQL's backticks
  agree dashboard-service "$1" "totalUsers totalOrders totalRevenue avgOrderValue ordersToday revenueToday" \
    'SELECT (SELECT COUNT(*) FROM User), COUNT(*), SUM(total), AVG(total), SUM(DATE(createdAt) = CURRENT_DATE),
       SUM(IF(DATE(createdAt) = CURRENT_DATE, total, 0)) FROM `Order`'
}

services_agree() {
  # shellcheck disable=SC2016 # MySQL's backticks
  local customers='SELECT u.id, u.name, u.email, COUNT(o.id), SUM(o.total) AS revenue FROM User u JOIN `Order` o ON u.id = o.userId'
  local fields='userId name email totalOrders totalRevenue'
  agree api-service /users/3/analytics "$fields" "$customers WHERE u.id = 3 GROUP BY u.id"
  agree api-service '/customers/top?limit=5' "$fields" "$customers GROUP BY u.id ORDER BY revenue DESC LIMIT 5"
  # shellcheck disable=SC2016
  agree api-service /pool/orders orders 'SELECT COUNT(*) FROM `Order`'
  # shellcheck disable=SC2016
  agree report-service '/reports/daily-sales/fixed?from=2025-04-03&to=2025-04-20' \
    'date orderCount totalRevenue avgOrderValue topProductRevenue' '
    WITH day AS (SELECT DATE(createdAt) AS day, COUNT(*) AS n, SUM(total) AS sum, AVG(total) AS avg FROM `Order`
           WHERE createdAt BETWEEN "2025-04-03" AND "2025-04-20" GROUP BY 1),
         sold AS (SELECT DATE(createdAt) AS day, productId, SUM(quantity * price) AS sum FROM `Order` o
           JOIN OrderItem i ON i.orderId = o.id WHERE createdAt BETWEEN "2025-04-03" AND "2025-04-20" GROUP BY 1, 2)
    SELECT CONCAT(day, " 00:00:00"), n, day.sum, avg, (SELECT MAX(sum) FROM sold WHERE sold.day = day.day) FROM day ORDER BY day'
  dashboard /metrics
  # shellcheck disable=SC2016
  sql 'INSERT INTO `Order` VALUES (9000, 1, 1234.56, UTC_TIMESTAMP(3))'
  dashboard /metrics
  dashboard /metrics/fallback
  compose stop duckling-server || die "docker compose stop duckling-server failed"
  if http dashboard-service /metrics > /dev/null 2>&1; then die "the dashboard has metrics without Duckling"; fi
  say "without Duckling the dashboard answers from Redis:"
  dashboard /metrics/fallback
  compose up --detach --wait --wait-timeout 180 duckling-server || die "duckling-server did not come back"
  address=$(compose port "$front" 3001)
  dashboard /metrics
}
