/**
 * The immutable items that this host holds: pages of its own trees, and of those that it keeps alive
 * for others. An item is its own proof, so a copy that is held here is as good as the network's.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as StorageHint from "../core/StorageHint.ts"
import { ExitCode } from "../core/Errors.ts"
import * as Record from "./Record.ts"

export class PageStoreError extends Schema.TaggedError<PageStoreError>()("PageStoreError", {
  location: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.storage
  get hint() {
    return StorageHint.of(this.problem, "Check that the directory exists, belongs to you and has free space.")
  }
  override get message() {
    return `Stored tree pages in ${this.location} cannot be used: ${this.problem}`
  }
}

export class PageStore extends Context.Service<
  PageStore,
  {
    /** Keeps items, each under the SHA-1 of its bencoded form. What is there already is left alone. */
    readonly keep: (pages: ReadonlyArray<Uint8Array>) => Effect.Effect<void, PageStoreError>
    /** An item whose hash is `target`; a damaged one counts as none. */
    readonly find: (target: Record.Target) => Effect.Effect<Option.Option<Uint8Array>, PageStoreError>
    readonly targets: Effect.Effect<ReadonlyArray<Record.Target>, PageStoreError>
    /** Forgets items; those that are not there are passed over. */
    readonly drop: (targets: ReadonlyArray<Record.Target>) => Effect.Effect<void, PageStoreError>
  }
>()("@libreseed/protocol/dht/PageStore") {
  static readonly layerMemory: Layer.Layer<PageStore> = Layer.sync(PageStore, () => {
    const pages = new Map<string, { readonly target: Record.Target; readonly page: Uint8Array }>()
    return PageStore.of({
      keep: (kept) =>
        Effect.sync(() => {
          for (const page of kept) {
            const target = Record.immutableTargetOf(page)
            pages.set(Hex.encode(target), { target, page })
          }
        }),
      find: (target) => Effect.sync(() => Option.fromUndefinedOr(pages.get(Hex.encode(target))?.page)),
      targets: Effect.sync(() => [...pages.values()].map(({ target }) => target)),
      drop: (targets) =>
        Effect.sync(() => {
          for (const target of targets) pages.delete(Hex.encode(target))
        })
    })
  })
}
