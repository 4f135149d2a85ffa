/**
 * Proofs of equivocation as files, `<home>/proofs/<id>.proof`: canonical bencoded
 * `{a, b: the two records' envelopes, n: name, t: found at (Unix ms), v: version}`. `<id>` is the
 * SHA-256 over key, name and version, each with its length before it. A file whose records are not
 * validly signed by one key, or that lies under another name than its own, is passed over.
 */
import type { SecureRandom } from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Bencode from "../../protocol/core/Bencode.ts"
import { sha256 } from "../../protocol/core/Digest.ts"
import { Ed25519 } from "../../protocol/core/Ed25519.ts"
import type { PackageName } from "../../protocol/core/PackageName.ts"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import * as Shape from "../../protocol/core/Shape.ts"
import type { Version } from "../../protocol/core/Version.ts"
import * as Record from "../../protocol/dht/Record.ts"
import { type Proof, Proofs, ProofsError } from "../../protocol/registry/Proofs.ts"
import * as AtomicFile from "./AtomicFile.ts"
import { Home } from "./Home.ts"
import { isAlreadyThere, isNothingThere, problemOf } from "./PlatformProblem.ts"
import * as PrivateDirectory from "./PrivateDirectory.ts"

const EXTENSION = ".proof"
const PROOF_FILE = /^[0-9a-f]{64}\.proof$/

/** Files read at a time when all are listed. */
const READ_CONCURRENCY = 16

/** Room for the envelope of the largest record, which has less than 1,300 bytes. */
const ENVELOPE_MAX_BYTES = 2_048

const shape = Shape.dictionary({
  a: Shape.bytesBetween(1, ENVELOPE_MAX_BYTES),
  b: Shape.bytesBetween(1, ENVELOPE_MAX_BYTES),
  n: Shape.packageName,
  t: Shape.integer(),
  v: Shape.version
})
const encode = Shape.encoder(shape)
const decode = Shape.decoder(shape)

const toBytes = ({ foundAt, name, records: [first, second], version }: Proof): Uint8Array =>
  encode({ a: Record.toBytes(first), b: Record.toBytes(second), n: name, t: foundAt, v: version })

const fileOf = (publisher: PublicKey.PublicKey, name: PackageName, version: Version): string =>
  Hex.encode(sha256(Bencode.encode([publisher, Bencode.utf8(name), Bencode.utf8(version)]))) + EXTENSION

/** Checks signatures and whose they are; whether the records contradict each other is for whoever asks. */
const fromBytes = Effect.fnUntraced(function* (bytes: Uint8Array, file: string) {
  const { a, b, n: name, t: foundAt, v: version } = yield* Effect.fromResult(decode(bytes))
  const first = yield* Record.fromBytes(a, file)
  const second = yield* Record.fromBytes(b, file)
  const publisher = first.publicKey
  const isIts = PublicKey.equals(publisher, second.publicKey) && fileOf(publisher, name, version) === file
  const proof: Proof = { publisher, name, version, records: [first, second], foundAt }
  return isIts ? Option.some(proof) : Option.none()
})

const inOrder = (left: Proof, right: Proof): number =>
  left.foundAt - right.foundAt || (fileOfProof(left) < fileOfProof(right) ? -1 : 1)

const fileOfProof = ({ name, publisher, version }: Proof): string => fileOf(publisher, name, version)

export const layer: Layer.Layer<Proofs, never, Home | Ed25519 | SecureRandom | FileSystem.FileSystem | Path.Path> =
  Layer.effect(
    Proofs,
    Effect.gen(function* () {
      const { proofs } = yield* Home
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const ed25519 = yield* Ed25519
      const context = yield* Effect.context<FileSystem.FileSystem | Path.Path | SecureRandom>()
      const failed = (error: PlatformError) => new ProofsError({ location: proofs, problem: problemOf(error) })

      const readFile = (file: string) =>
        fs.readFile(path.join(proofs, file)).pipe(
          Effect.matchEffect({
            onFailure: (error) =>
              isNothingThere(error) ? Effect.succeed(Option.none<Proof>()) : Effect.fail(failed(error)),
            onSuccess: (bytes) =>
              fromBytes(bytes, file).pipe(
                Effect.provideService(Ed25519, ed25519),
                Effect.orElseSucceed(() => Option.none<Proof>())
              )
          })
        )

      return Proofs.of({
        keep: Effect.fnUntraced(function* (proof) {
          const file = fileOfProof(proof)
          if (Option.isSome(yield* readFile(file))) return
          const location = path.join(proofs, file)
          const bytes = toBytes(proof)
          yield* PrivateDirectory.make(fs, proofs).pipe(
            Effect.andThen(AtomicFile.create(location, bytes)),
            Effect.catchIf(isAlreadyThere, () =>
              // Another process was first, or the file that is there proves nothing.
              readFile(file).pipe(
                Effect.flatMap((there) => (Option.isSome(there) ? Effect.void : AtomicFile.replace(location, bytes)))
              )
            ),
            Effect.provideContext(context),
            Effect.catchTag("PlatformError", (error) => Effect.fail(failed(error)))
          )
        }),
        find: (publisher, name, version) => readFile(fileOf(publisher, name, version)),
        all: Effect.gen(function* () {
          const files = yield* fs
            .readDirectory(proofs)
            .pipe(
              Effect.catch((error) =>
                isNothingThere(error) ? Effect.succeed<Array<string>>([]) : Effect.fail(failed(error))
              )
            )
          const found = yield* Effect.forEach(
            files.filter((file) => PROOF_FILE.test(file)),
            readFile,
            { concurrency: READ_CONCURRENCY }
          )
          return found.flatMap(Option.toArray).toSorted(inOrder)
        })
      })
    })
  )
