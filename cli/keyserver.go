package cli

import (
	"context"
	"crypto"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ringway/ringway/gateway/secure/keyless"
)

func keyServerCommand() *cobra.Command {
	var listen, mode string
	var files []string
	c := &cobra.Command{
		Use:   "keyserver",
		Short: "Sign for gateways that do not have the private keys of their certificates",
		Long: `Sign for gateways that do not have the private keys of their certificates.

A gateway whose certificates have a key_server asks it for every full handshake's signature. Keys are found by their
public halves. Whoever may write to the socket's file may have something signed: run the two as users of one group, with
--mode 0660 and the socket in a folder that others cannot enter.`,
		Example: "  ringway keyserver --listen unix:/run/ringway/keys.sock --key /etc/keys/example.com.pem",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if listen == "" || len(files) == 0 {
				return usage("say where to listen and which keys to sign with: --listen unix:/path --key FILE")
			}
			bits, err := strconv.ParseUint(mode, 8, 32)
			if err != nil || bits > 0o777 {
				return usage("--mode is three octal digits, as 0600, not %q", mode)
			}
			var keys []crypto.Signer
			for _, f := range files {
				more, err := keyless.ReadKeys(f)
				if err != nil {
					return err
				}
				keys = append(keys, more...)
			}
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			s, err := keyless.NewServer(keys, log)
			if err != nil {
				return err
			}
			ln, err := keyless.Listen(listen, os.FileMode(bits))
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			fmt.Fprintf(cmd.OutOrStdout(), "signing at %s with %d keys\n", listen, len(keys))
			err = s.Serve(ctx, ln)
			log.Info("ended", "signatures", s.Signatures.Load(), "refused", s.Refused.Load())
			return err
		},
	}
	c.Flags().StringVar(&listen, "listen", "", "where to listen: unix:/path")
	c.Flags().StringArrayVar(&files, "key", nil, "file with private keys in PEM; may be given several times")
	c.Flags().StringVar(&mode, "mode", "0600", "who may connect: the mode of the socket's file")
	return c
}
