package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/chittihq/duckling/demo/shop"
	"github.com/chittihq/duckling/pkg/config"
	"github.com/chittihq/duckling/testkit/mysqltest"
)

// source is the database the demo reads, and the private server if there is one.
type source struct {
	url    string
	db     *sql.DB
	server *mysqltest.Server
}

const database = "shop"

func openShop(ctx context.Context, cfg settings) (*source, error) {
	s := &source{url: cfg.Source}
	if err := s.connect(ctx); err != nil {
		s.close()
		return nil, err
	}
	if err := s.load(ctx, cfg.Scale); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *source) connect(ctx context.Context) error {
	if s.url == "" {
		began := time.Now()
		server, err := mysqltest.Start(ctx, mysqltest.Options{Flavor: mysqltest.MySQL, Args: []string{"--innodb-buffer-pool-size=1G", "--innodb-redo-log-capacity=2G"}})
		if err != nil {
			return err
		}
		s.server, s.url = server, server.URL(database)
		if err := server.Exec(ctx, "CREATE DATABASE "+database); err != nil {
			return err
		}
		fmt.Printf("MySQL 9.7 of the demo's own is up on %s (%.1f s).\n", server.Addr, time.Since(began).Seconds())
	} else {
		fmt.Println("Reading the database in MYSQL_CONNECTION_STRING.")
	}
	at, err := config.ParseSource(s.url)
	if err != nil {
		return fmt.Errorf("MYSQL_CONNECTION_STRING: %w", err)
	}
	dsn := mysql.NewConfig()
	dsn.Net, dsn.Addr, dsn.User, dsn.Passwd, dsn.DBName = "tcp", at.Addr(), at.User, at.Password.Reveal(), at.Database
	dsn.AllowAllFiles = false
	connector, err := mysql.NewConnector(dsn)
	if err != nil {
		return fmt.Errorf("opening the source: %w", err)
	}
	s.db = sql.OpenDB(connector)
	if err := s.db.PingContext(ctx); err != nil {
		return fmt.Errorf("connecting to the source at %s: %w", at.Addr(), err)
	}
	return nil
}

func (s *source) load(ctx context.Context, scale float64) error {
	size := shop.DefaultScale()
	shrink := func(n *int) { *n = max(1, int(math.Round(float64(*n)*scale))) }
	shrink(&size.Users)
	shrink(&size.Orders)
	shrink(&size.Items)
	size.Items = max(size.Items, size.Orders)
	began := time.Now()
	err := shop.Load(ctx, s.db, shop.Options{Scale: size, Seed: 1, End: began.UTC(), Progress: func(loaded, total int) {
		fmt.Printf("\rLoading the shop: %d of %d rows ", loaded, total)
	}})
	if errors.Is(err, shop.ErrTablesExist) {
		fmt.Println("The shop's tables are there already and are used as they are.")
		return nil
	}
	if err != nil {
		return fmt.Errorf("loading the shop: %w", err)
	}
	fmt.Printf("\rLoaded the shop: %d users, %d orders, %d items, %d products in %.1f s.\n",
		size.Users, size.Orders, size.Items, size.Products, time.Since(began).Seconds())
	return nil
}

func (s *source) close() {
	if s.db != nil {
		s.db.Close()
	}
	if s.server != nil {
		if err := s.server.Close(); err != nil {
			fmt.Println("stopping MySQL:", err)
		}
	}
}
