/** bittorrent-dht as it comes, with a verifier: what our client is compared with. */
import * as Crypto from "node:crypto"
import Client from "bittorrent-dht"
import * as Effect from "effect/Effect"
import * as Record from "../../src/protocol/dht/Record.ts"

const KEY_PREFIX = Buffer.from("302a300506032b6570032100", "hex")

const verify = (signature: Buffer, message: Uint8Array, publicKey: Buffer): boolean =>
  Crypto.verify(
    null,
    message,
    Crypto.createPublicKey({ key: Buffer.concat([KEY_PREFIX, publicKey]), format: "der", type: "spki" }),
    signature
  )

/** A client that has looked for its neighbours. */
export const make = (bootstrap: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.callback<Client>((resume) => {
      const client = new Client({ bootstrap, verify })
      client.listen(0, "127.0.0.1")
      client.once("ready", () => resume(Effect.succeed(client)))
    }),
    (client) => Effect.callback<void>((resume) => client.destroy(() => resume(Effect.void)))
  )

export const put = (client: Client, record: Record.Record): Promise<void> =>
  new Promise((resolve, reject) => {
    client.put(
      {
        k: Buffer.from(record.publicKey),
        salt: Buffer.from(record.salt),
        seq: record.seq,
        sig: Buffer.from(record.signature),
        v: Buffer.from(record.value)
      },
      (error) => (error ? reject(error) : resolve())
    )
  })

/** Rejects where nothing is found. */
export const get = (client: Client, record: Record.Record): Promise<void> =>
  new Promise((resolve, reject) => {
    const target = Record.targetOf(record.publicKey, record.salt)
    client.get(target, { salt: record.salt, cache: false }, (error, item) =>
      error || item === null ? reject(error ?? new Error("nothing there")) : resolve()
    )
  })
