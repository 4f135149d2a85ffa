/**
 * Keys as files under `<home>/keys`, one `<name>.key` each, readable by the owner alone.
 *
 * A key file has three lines: a format line, the public key and the 32-byte seed, both in base64.
 * The public key is checked against the seed at every load, so that a damaged file is noticed
 * before it signs anything.
 */
import * as Bytes from "effect/Bytes"
import { SecureRandom } from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Result from "effect/Result"
import { Ed25519, SEED_BYTES } from "../../protocol/core/Ed25519.ts"
import * as KeyPair from "../../protocol/core/KeyPair.ts"
import {
  KeyDamaged,
  KeyExists,
  KeyExposed,
  type KeyName,
  KeyNotFound,
  Keystore,
  KeystoreError,
  KeystoreUnavailable,
  parseKeyName
} from "../../protocol/core/Keystore.ts"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import * as AtomicFile from "../store/AtomicFile.ts"
import { Home } from "../store/Home.ts"
import { isAlreadyThere, isNotFound, problemOf } from "../store/PlatformProblem.ts"
import * as PrivateDirectory from "../store/PrivateDirectory.ts"

const FORMAT = "libreseed-secret-key-v1"
const EXTENSION = ".key"

/** Three lines of known length; anything longer is not a key file. */
const FILE_MAX_BYTES = 256

const OPEN_TO_OTHERS = 0o077

const fail = (reason: KeystoreError["reason"]) => Effect.fail(new KeystoreError({ reason }))

interface KeyFile {
  readonly publicKey: PublicKey.PublicKey
  readonly seed: Uint8Array
}

const render = ({ publicKey, seed }: KeyFile): Uint8Array =>
  new TextEncoder().encode(`${FORMAT}\n${PublicKey.toBase64(publicKey)}\n${Base64.encode(seed)}\n`)

/** `None` unless every byte is as {@link render} writes it. */
const parse = (bytes: Uint8Array): Option.Option<KeyFile> => {
  const lines = new TextDecoder().decode(bytes).split("\n")
  const [format, publicText, seedText, rest] = lines
  if (lines.length !== 4 || format !== FORMAT || rest !== "") return Option.none()
  const publicKey = PublicKey.parse(publicText!)
  const seed = Option.getSuccess(Base64.decode(seedText!))
  if (Option.isNone(publicKey) || Option.isNone(seed) || seed.value.length !== SEED_BYTES) return Option.none()
  const file = { publicKey: publicKey.value, seed: seed.value }
  const canonical = render(file)
  return Bytes.Equivalence(canonical, bytes) ? Option.some(file) : Option.none()
}

export const layer: Layer.Layer<Keystore, never, Home | Ed25519 | SecureRandom | FileSystem.FileSystem | Path.Path> =
  Layer.effect(
    Keystore,
    Effect.gen(function* () {
      const { keys } = yield* Home
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const random = yield* SecureRandom
      const ed25519 = yield* Ed25519
      const context = yield* Effect.context<FileSystem.FileSystem | Path.Path | SecureRandom>()

      const locationOf = (name: KeyName) => path.join(keys, name + EXTENSION)
      const unavailable = (error: PlatformError) =>
        new KeystoreError({ reason: new KeystoreUnavailable({ location: keys, problem: problemOf(error) }) })

      const read = Effect.fnUntraced(function* (name: KeyName) {
        const location = locationOf(name)
        const info = yield* fs
          .stat(location)
          .pipe(
            Effect.mapError((error) =>
              isNotFound(error) ? new KeystoreError({ reason: new KeyNotFound({ key: name }) }) : unavailable(error)
            )
          )
        const mode = info.mode & 0o777
        if (process.platform !== "win32" && (mode & OPEN_TO_OTHERS) !== 0) {
          return yield* fail(new KeyExposed({ key: name, location, mode }))
        }
        const damaged = (problem: string) => fail(new KeyDamaged({ key: name, location, problem }))
        if (info.size > BigInt(FILE_MAX_BYTES)) return yield* damaged("it is too long")
        const parsed = parse(yield* fs.readFile(location).pipe(Effect.mapError(unavailable)))
        if (Option.isNone(parsed)) return yield* damaged("it is not a key file")
        return { ...parsed.value, location }
      })

      return Keystore.of({
        create: Effect.fn("Keystore.create")(function* (name) {
          const seed = yield* random.randomBytes(SEED_BYTES)
          const pair = yield* KeyPair.fromSeed(seed).pipe(Effect.provideService(Ed25519, ed25519))
          yield* PrivateDirectory.make(fs, keys).pipe(Effect.mapError(unavailable))
          yield* AtomicFile.create(locationOf(name), render({ publicKey: pair.publicKey, seed })).pipe(
            Effect.provideContext(context),
            Effect.mapError((error) =>
              isAlreadyThere(error) ? new KeystoreError({ reason: new KeyExists({ key: name }) }) : unavailable(error)
            )
          )
          return pair
        }),
        load: Effect.fn("Keystore.load")(function* (name) {
          const { location, publicKey, seed } = yield* read(name)
          const pair = yield* KeyPair.fromSeed(seed).pipe(Effect.provideService(Ed25519, ed25519))
          if (!PublicKey.equals(pair.publicKey, publicKey)) {
            return yield* fail(
              new KeyDamaged({ key: name, location, problem: "its public and secret halves do not belong together" })
            )
          }
          return pair
        }),
        list: Effect.gen(function* () {
          const files = yield* fs
            .readDirectory(keys)
            .pipe(
              Effect.catch((error) =>
                isNotFound(error) ? Effect.succeed<Array<string>>([]) : Effect.fail(unavailable(error))
              )
            )
          const names = files
            .filter((file) => file.endsWith(EXTENSION))
            .flatMap((file) => Option.toArray(parseKeyName(file.slice(0, -EXTENSION.length))))
            .toSorted()
          return yield* Effect.forEach(names, (name) =>
            Effect.map(Effect.result(read(name)), (file) => ({
              name,
              publicKey: Result.map(file, ({ publicKey }) => publicKey)
            }))
          )
        }).pipe(Effect.withSpan("Keystore.list"))
      })
    })
  )
