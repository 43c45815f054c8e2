package acme

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	rfc8555 "github.com/mholt/acmez/v3/acme"
)

// accounts keeps the account at one authority, in the folder where certmagic would.
type accounts struct {
	storage *storage
	prefix  string // of the authority
	email   string
	eab     *EABSpec
}

// keys are where the account's data and its private key lie.
func (a *accounts) keys() (data, private string) {
	who, _, _ := strings.Cut(a.email, "@")
	folder := a.email
	if folder == "" {
		who, folder = "default", "default"
	}
	dir := path.Join(a.prefix, "users", certmagic.StorageKeys.Safe(folder))
	who = certmagic.StorageKeys.Safe(who)
	return path.Join(dir, who+".json"), path.Join(dir, who+".key")
}

// load reads the account. The error is fs.ErrNotExist's kind where there is none.
func (a *accounts) load(ctx context.Context) (account rfc8555.Account, err error) {
	dataKey, privateKey := a.keys()
	data, err := a.storage.Load(ctx, dataKey)
	if err != nil {
		return account, err
	}
	private, err := a.storage.Load(ctx, privateKey)
	if err != nil {
		return account, err
	}
	if err = json.Unmarshal(data, &account); err == nil {
		account.PrivateKey, err = certmagic.PEMDecodePrivateKey(private)
	}
	if err != nil {
		err = fmt.Errorf("the account in %s is damaged: %w", a.storage.Filename(path.Dir(dataKey)), err)
	}
	return account, err
}

// save writes the account, its key first: data without a key would be an account that nobody can use.
func (a *accounts) save(ctx context.Context, account rfc8555.Account) error {
	dataKey, privateKey := a.keys()
	data, err := json.MarshalIndent(account, "", "\t")
	if err != nil {
		return err
	}
	private, err := certmagic.PEMEncodePrivateKey(account.PrivateKey)
	if err != nil {
		return err
	}
	if err = a.storage.Store(ctx, privateKey, private); err == nil {
		err = a.storage.Store(ctx, dataKey, data)
	}
	return err
}

// forget removes an account that the authority does not know any more.
func (a *accounts) forget(ctx context.Context) error {
	dataKey, privateKey := a.keys()
	return errors.Join(a.storage.Delete(ctx, dataKey), a.storage.Delete(ctx, privateKey))
}

// get gives the account, and makes one if there is none; of several processes one does.
func (a *accounts) get(ctx context.Context, client *acmez.Client) (account rfc8555.Account, fresh bool, err error) {
	if account, err = a.load(ctx); !missing(err) {
		return account, false, err
	}
	lock := "register_acme_account_" + a.email
	if err = a.storage.Lock(ctx, lock); err != nil {
		return account, false, fmt.Errorf("lock of the account: %w", err)
	}
	defer func() { err = errors.Join(err, a.storage.Unlock(ctx, lock)) }()
	if account, err = a.load(ctx); !missing(err) {
		return account, false, err
	}
	account, err = a.register(ctx, client)
	return account, true, err
}

// register makes an account at the authority (RFC 8555 §7.3).
func (a *accounts) register(ctx context.Context, client *acmez.Client) (account rfc8555.Account, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return account, err
	}
	account = rfc8555.Account{TermsOfServiceAgreed: true, PrivateKey: key}
	if a.email != "" {
		account.Contact = []string{"mailto:" + a.email}
	}
	if a.eab != nil {
		if err = account.SetExternalAccountBinding(ctx, client.Client, rfc8555.EAB{KeyID: a.eab.KeyID, MACKey: a.eab.macKey()}); err != nil {
			return account, fmt.Errorf("external account binding: %w", err)
		}
	}
	if account, err = client.NewAccount(ctx, account); err != nil {
		return account, fmt.Errorf("register an account: %w", err)
	}
	account.PrivateKey = key
	return account, a.save(ctx, account)
}
