import { assert, describe, it } from "@effect/vitest"
import { createDiffieHellman } from "node:crypto"
import * as KeyExchange from "../../../src/runtime/swarm/KeyExchange.ts"

const PRIME =
  "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a63a36210000000000090563"

const numbered = (value: bigint): Uint8Array => Buffer.from(value.toString(16).padStart(192, "0"), "hex")

describe("KeyExchange", () => {
  it("agrees with OpenSSL, and both sides with each other", () => {
    const theirs = createDiffieHellman(PRIME, "hex", 2)
    const theirKey = theirs.generateKeys()
    const ours = KeyExchange.generate()
    const secret = KeyExchange.secret(ours, Buffer.concat([Buffer.alloc(96 - theirKey.length), theirKey]))
    assert.deepStrictEqual(Buffer.from(secret ?? []), theirs.computeSecret(ours.publicKey))
    assert.strictEqual(secret?.length, KeyExchange.KEY_BYTES)
  })

  it("keeps leading zeros, of keys and of secrets", () => {
    const one = KeyExchange.fromPrivate(Uint8Array.of(1))
    assert.deepStrictEqual(Buffer.from(one.publicKey), numbered(2n))
    assert.deepStrictEqual(Buffer.from(KeyExchange.secret(one, numbered(3n)) ?? []), numbered(3n))
  })

  it("refuses keys whose secrets anybody knows, and numbers that are none of the group", () => {
    const own = KeyExchange.generate()
    const prime = BigInt(`0x${PRIME}`)
    for (const key of [0n, 1n, prime - 1n, prime, prime + 1n, 2n ** 768n - 1n]) {
      assert.strictEqual(KeyExchange.secret(own, numbered(key)), undefined)
    }
    assert.notStrictEqual(KeyExchange.secret(own, numbered(2n)), undefined)
    assert.notStrictEqual(KeyExchange.secret(own, numbered(prime - 2n)), undefined)
  })
})
