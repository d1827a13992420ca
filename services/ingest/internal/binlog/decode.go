package binlog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/google/uuid"
)

// Events that the library does not name or decode.
const (
	eventIncident  = replication.INCIDENT_EVENT
	eventXAPrepare = replication.XA_PREPARE_LOG_EVENT
)

// flagPreparedXA marks, in a GTID event of MariaDB, the first phase of an XA transaction. Source: FL_PREPARED_XA in
// log_event.h of MariaDB 10.11.
const flagPreparedXA = 64

// HandleEvent is the library's callback for each event, in order.
func (d *decoder) HandleEvent(e *replication.BinlogEvent) error {
	if payload, ok := e.Event.(*replication.TransactionPayloadEvent); ok {
		// Inside a payload events have no place in the file, and no checksum of their own.
		d.advance(e.Header)
		checksum := d.checksum
		d.checksum = 0
		defer func() { d.checksum = checksum }()
		for _, inner := range payload.Events {
			if err := d.handle(inner); err != nil {
				return err
			}
		}
		return nil
	}
	if rotate, ok := e.Event.(*replication.RotateEvent); ok {
		d.rotate(rotate)
		return nil
	}
	d.advance(e.Header)
	return d.handle(e)
}

func (d *decoder) handle(e *replication.BinlogEvent) error {
	switch ev := e.Event.(type) {
	case *replication.GTIDEvent:
		return d.begin(mysqlGTID(ev), int64(ev.ImmediateCommitTimestamp), e.Header)
	case *replication.GtidTaggedLogEvent:
		return d.begin(mysqlGTID(&ev.GTIDEvent), int64(ev.ImmediateCommitTimestamp), e.Header)
	case *replication.MariadbGTIDEvent:
		d.standalone = ev.IsStandalone()
		gtid := GTID{domain: ev.GTID.DomainID, serverID: ev.GTID.ServerID, number: ev.GTID.SequenceNumber}
		if err := d.begin(gtid, 0, e.Header); err != nil {
			return err
		}
		d.inside = !d.standalone
		d.xa = ev.Flags&flagPreparedXA != 0
		return nil
	case *replication.QueryEvent:
		return d.query(ev, e.Header)
	case *replication.XIDEvent:
		return d.end(&Event{Kind: End}, e.Header)
	case *replication.TableMapEvent:
		return d.tableMap(ev.TableID, e.RawData[replication.EventHeaderSize:])
	case *replication.RowsEvent:
		return d.rows(ev, e.Header.EventType)
	case *replication.ExecuteLoadQueryEvent:
		return d.emit(&Event{Kind: Statement, SQL: "LOAD DATA"})
	case *replication.FormatDescriptionEvent:
		d.checksum = 0
		if ev.ChecksumAlgorithm == replication.BINLOG_CHECKSUM_ALG_CRC32 {
			d.checksum = replication.BinlogChecksumLength
		}
		return d.passed()
	case *replication.HeartbeatEvent, *replication.PreviousGTIDsEvent,
		*replication.MariadbGTIDListEvent, *replication.MariadbBinlogCheckPointEvent:
		return d.passed()
	case *replication.GenericEvent:
		return d.other(ev, e.Header)
	default:
		return nil // annotations, and values for statements, which are followed by the statement
	}
}

func mysqlGTID(e *replication.GTIDEvent) GTID {
	if e.GNO == 0 {
		return GTID{} // anonymous
	}
	return GTID{server: uuid.UUID(e.SID), tag: e.Tag, number: uint64(e.GNO)}
}

func (d *decoder) begin(gtid GTID, commitTime int64, h *replication.EventHeader) error {
	d.gtid, d.commitTime = gtid, commitTime
	d.inside, d.undone, d.xa = false, false, false
	if commitTime == 0 {
		d.commitTime = int64(h.Timestamp) * 1_000_000
	}
	return nil
}

// query handles text events: the frame of a transaction, or a statement.
func (d *decoder) query(q *replication.QueryEvent, h *replication.EventHeader) error {
	sql := string(q.Query)
	word, rest, _ := strings.Cut(strings.TrimSpace(sql), " ")
	switch strings.ToUpper(word) {
	case "BEGIN":
		d.inside = true
		return nil
	case "COMMIT":
		return d.end(&Event{Kind: End}, h)
	case "ROLLBACK":
		if strings.HasPrefix(strings.ToUpper(strings.TrimSpace(rest)), "TO ") {
			d.undone = true
			return nil
		}
		return d.end(&Event{Kind: End, RolledBack: true}, h)
	case "SAVEPOINT", "RELEASE":
		return nil
	case "XA":
		return d.xaQuery(sql, strings.TrimSpace(rest), h)
	}
	e := &Event{Kind: Statement, Schema: string(q.Schema), SQL: sql, Alone: !d.inside}
	e.Collation, e.NoEscapes = session(q.StatusVars)
	if e.Alone {
		return d.end(e, h)
	}
	return d.emit(e)
}

func (d *decoder) xaQuery(sql, rest string, h *replication.EventHeader) error {
	verb, xid, _ := strings.Cut(rest, " ")
	switch strings.ToUpper(verb) {
	case "START", "BEGIN":
		d.inside, d.xa = true, true
		return nil
	case "END":
		return nil
	case "COMMIT":
		return d.end(&Event{Kind: End, Commits: strings.ToLower(strings.TrimSpace(xid))}, h)
	case "ROLLBACK":
		return d.end(&Event{Kind: End, Undoes: strings.ToLower(strings.TrimSpace(xid))}, h)
	}
	return fmt.Errorf("statement %q at %s:%d is unknown to this release", sql, d.file, d.offset)
}

// prepare reads the event that ends the first phase of an XA transaction: a byte for one that is committed at once, then
// the format, the lengths of the id's two parts, and the parts. Source: XA_prepare_event in MySQL's
// control_events.h. The id is given as XA COMMIT gives it.
func (d *decoder) prepare(data []byte, h *replication.EventHeader) error {
	c := &cutter{b: data}
	onePhase := c.byte() != 0
	var numbers [3]int
	for i := range numbers {
		if v := c.bytes(4); v != nil {
			numbers[i] = int(int32(binary.LittleEndian.Uint32(v)))
		}
	}
	global, branch := c.bytes(numbers[1]), c.bytes(numbers[2])
	switch {
	case c.bad:
		return fmt.Errorf("damaged XA event at %s:%d", d.file, d.offset)
	case onePhase:
		return d.end(&Event{Kind: End}, h)
	}
	return d.end(&Event{Kind: End, Prepared: fmt.Sprintf("x'%x',x'%x',%d", global, branch, numbers[0])}, h)
}

// tableMap remembers what a table's rows look like. The description is parsed once for as
// long as its bytes stay the same.
func (d *decoder) tableMap(id uint64, body []byte) error {
	body = body[:len(body)-d.checksum]
	if known, ok := d.maps[id]; ok && bytes.Equal(known.body, body) {
		return nil
	}
	table, err := parseTableMap(body, d.flavor)
	if err != nil {
		return err
	}
	// Ids grow for ever; what is current comes again at its next use.
	if len(d.maps) > 4096 {
		clear(d.maps)
	}
	d.maps[id] = &cachedMap{body: bytes.Clone(body), table: table}
	return nil
}

func (d *decoder) rows(e *replication.RowsEvent, typ replication.EventType) error {
	images := d.bodies[d.handled]
	if d.handled++; d.handled == len(d.bodies) {
		d.bodies, d.handled = d.bodies[:0], 0
	}
	known, ok := d.maps[e.TableID]
	if !ok {
		return fmt.Errorf("rows of table id %d without a table map", e.TableID)
	}
	ev := &Event{Kind: Rows, Table: known.table, Images: images}
	switch e.Type() {
	case replication.EnumRowsEventTypeInsert:
		ev.Operation = Insert
	case replication.EnumRowsEventTypeUpdate:
		ev.Operation = Update
	case replication.EnumRowsEventTypeDelete:
		ev.Operation = Delete
	}
	switch typ {
	case replication.MARIADB_WRITE_ROWS_COMPRESSED_EVENT_V1, replication.MARIADB_UPDATE_ROWS_COMPRESSED_EVENT_V1,
		replication.MARIADB_DELETE_ROWS_COMPRESSED_EVENT_V1:
		var err error
		if ev.Images, err = mysql.DecompressMariadbData(images); err != nil {
			return fmt.Errorf("unpacking rows of table %q: %w", known.table.Name, err)
		}
	case replication.PARTIAL_UPDATE_ROWS_EVENT:
		ev.Operation = Update
		ev.Incomplete = "JSON documents are logged in part; set binlog_row_value_options=''"
	}
	if !allSet(e.ColumnBitmap1, e.ColumnCount) || e.ColumnBitmap2 != nil && !allSet(e.ColumnBitmap2, e.ColumnCount) {
		ev.Incomplete = "rows are logged in part; set binlog_row_image=FULL"
	}
	ev.size = min(int64(len(ev.Images)), maxQueued)
	return d.emit(ev)
}

func allSet(bitmap []byte, n uint64) bool {
	set := 0
	for i, b := range bitmap {
		if rest := int(n) - 8*i; rest < 8 {
			b &= 1<<rest - 1
		}
		set += bits.OnesCount8(b)
	}
	return set == int(n)
}

// other handles events that the library leaves as bytes. One that is neither
// harmless nor marked as ignorable could hold changes, so reading stops.
func (d *decoder) other(e *replication.GenericEvent, h *replication.EventHeader) error {
	switch h.EventType {
	case eventIncident:
		return &IncidentError{File: d.file, Offset: d.offset, Message: incidentMessage(e.Data)}
	case eventXAPrepare:
		return d.prepare(e.Data, h)
	case replication.STOP_EVENT, replication.RAND_EVENT, replication.USER_VAR_EVENT, replication.IGNORABLE_EVENT,
		replication.TRANSACTION_CONTEXT_EVENT, replication.VIEW_CHANGE_EVENT, replication.MARIADB_START_ENCRYPTION_EVENT,
		replication.BEGIN_LOAD_QUERY_EVENT, replication.APPEND_BLOCK_EVENT, replication.DELETE_FILE_EVENT:
		return nil
	}
	if h.Flags&replication.LOG_EVENT_IGNORABLE_F != 0 {
		return nil
	}
	return fmt.Errorf("binlog event of type %d at %s:%d is unknown to this release", h.EventType, d.file, d.offset)
}

func incidentMessage(data []byte) string {
	if len(data) < 3 {
		return ""
	}
	return string(data[3:])
}

// end closes the transaction with an End, or with a statement that is one by itself.
func (d *decoder) end(e *Event, h *replication.EventHeader) error {
	e.Undone = d.undone
	if d.flavor == MariaDB {
		d.commitTime = int64(h.Timestamp) * 1_000_000 // its GTID event tells when the statement began
	}
	err := d.emit(e)
	d.inside, d.standalone, d.undone, d.xa, d.gtid = false, false, false, false, GTID{}
	return err
}

// passed reports the place when it lies between two transactions.
func (d *decoder) passed() error {
	if d.inside || d.gtid.Valid() {
		return nil
	}
	return d.emit(&Event{Kind: Passed})
}

func (d *decoder) emit(e *Event) error {
	if d.skipTo != 0 && d.offset <= d.skipTo {
		return nil
	}
	e.GTID, e.CommitTime, e.XA = d.gtid, d.commitTime, d.xa
	e.File, e.Offset = d.file, d.offset
	return d.send(e)
}
