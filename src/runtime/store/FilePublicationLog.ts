/**
 * Publications under way as files under `<home>/publications`, one `<SHA-1 of what is published>.json`
 * each: `{"format", "publisher", "release", "startedAt", "done"}`, the release being its record's bytes
 * in base64. A file is replaced in one step and gone when the publication is done. One that is damaged
 * is a failure and is never written over, since going on without it could sign other bytes.
 */
import type { SecureRandom } from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as Bencode from "../../protocol/core/Bencode.ts"
import { sha1 } from "../../protocol/core/Digest.ts"
import { PublicKey } from "../../protocol/core/PublicKey.ts"
import { type Draft, keyOf, oldestFirst, PublicationLog, STEPS } from "../../protocol/registry/PublicationLog.ts"
import { PublicationLogUnavailable } from "../../protocol/registry/RegistryError.ts"
import * as Release from "../../protocol/registry/Release.ts"
import * as AtomicFile from "./AtomicFile.ts"
import { Home } from "./Home.ts"
import { isNotFound, problemOf } from "./PlatformProblem.ts"
import * as PrivateDirectory from "./PrivateDirectory.ts"

const FORMAT = 1
const EXTENSION = ".json"
const DRAFT_FILE = /^[0-9a-f]{40}\.json$/

const Stored = Schema.Struct({
  format: Schema.Literal(FORMAT),
  publisher: Schema.Uint8ArrayFromBase64.pipe(Schema.decodeTo(PublicKey)),
  release: Schema.Uint8ArrayFromBase64.pipe(Schema.decodeTo(Release.codec)),
  startedAt: Schema.Natural,
  done: Schema.Array(Schema.Literals(STEPS))
})
const StoredJson = Schema.fromJsonString(Stored)
const decode = Schema.decodeUnknownOption(StoredJson, { onExcessProperty: "error" })
const encode = Schema.encodeSync(StoredJson)

const fileOf = (key: string): string => Hex.encode(sha1(Bencode.utf8(key))) + EXTENSION

const fileOfDraft = ({ publisher, release }: Draft): string => fileOf(keyOf(publisher, release.n, release.v))

export const layer: Layer.Layer<PublicationLog, never, Home | SecureRandom | FileSystem.FileSystem | Path.Path> =
  Layer.effect(
    PublicationLog,
    Effect.gen(function* () {
      const { publications: directory } = yield* Home
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const context = yield* Effect.context<FileSystem.FileSystem | Path.Path | SecureRandom>()
      const failed = (problem: string) => new PublicationLogUnavailable({ location: directory, problem })

      const parse = (file: string, text: string): Effect.Effect<Draft, PublicationLogUnavailable> => {
        const draft = Option.map(decode(text), ({ format: _, ...fields }): Draft => fields)
        return Option.isSome(draft) && fileOfDraft(draft.value) === file
          ? Effect.succeed(draft.value)
          : Effect.fail(failed(`${file} is damaged`))
      }

      const read = (file: string) =>
        fs.readFileString(path.join(directory, file)).pipe(
          Effect.matchEffect({
            onFailure: (error) =>
              isNotFound(error) ? Effect.succeed(Option.none<Draft>()) : Effect.fail(failed(problemOf(error))),
            onSuccess: (text) => Effect.asSome(parse(file, text))
          })
        )

      return PublicationLog.of({
        find: (publisher, name, version) => read(fileOf(keyOf(publisher, name, version))),
        note: (draft) =>
          PrivateDirectory.make(fs, directory).pipe(
            Effect.andThen(
              AtomicFile.replace(
                path.join(directory, fileOfDraft(draft)),
                new TextEncoder().encode(encode({ format: FORMAT, ...draft }))
              )
            ),
            Effect.provideContext(context),
            Effect.mapError((error) => failed(problemOf(error)))
          ),
        finish: (publisher, name, version) =>
          fs
            .remove(path.join(directory, fileOf(keyOf(publisher, name, version))), { force: true })
            .pipe(Effect.mapError((error) => failed(problemOf(error)))),
        all: Effect.gen(function* () {
          const files = yield* fs
            .readDirectory(directory)
            .pipe(
              Effect.catch((error) =>
                isNotFound(error) ? Effect.succeed<Array<string>>([]) : Effect.fail(failed(problemOf(error)))
              )
            )
          const drafts = yield* Effect.forEach(
            files.filter((file) => DRAFT_FILE.test(file)),
            read
          )
          return oldestFirst(drafts.flatMap(Option.toArray))
        })
      })
    })
  )
