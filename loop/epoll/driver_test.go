package epoll_test

import (
	"testing"

	"github.com/ringway/ringway/loop/drivertest"
	"github.com/ringway/ringway/loop/epoll"
)

func TestConformance(t *testing.T) { drivertest.Run(t, epoll.New) }
