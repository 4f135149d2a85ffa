/** Whether the files of a release are those that its signed manifest lists. */
import * as Hex from "effect/encoding/Hex"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { ExitCode } from "../../protocol/core/Errors.ts"
import type { Manifest } from "../../protocol/registry/Manifest.ts"
import type { Listing } from "../archive/Extract.ts"

/** What was unpacked is not what the manifest lists. */
export class ContentMismatch extends Schema.TaggedError<ContentMismatch>()("ContentMismatch", {
  package: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = "Nothing was installed. Tell the publisher, or choose another version or publisher."
  override get message() {
    return `The files of ${this.package} are not those of its manifest: ${this.problem}`
  }
}

/** Fails with the first difference. */
export const compare = (
  { files, name, version }: Pick<Manifest, "files" | "name" | "version">,
  listing: Listing
): Result.Result<void, ContentMismatch> => {
  const refuse = (problem: string) => Result.fail(new ContentMismatch({ package: `${name}@${version}`, problem }))
  if (listing.files.length !== Object.keys(files).length) {
    return refuse(`there are ${listing.files.length} files, not ${Object.keys(files).length}`)
  }
  for (const { mode, path, sha256, size } of listing.files) {
    const signed = Object.hasOwn(files, path) ? files[path] : undefined
    if (signed === undefined) return refuse(`${path} is not among them`)
    if (signed.size !== size || signed.sha256 !== Hex.encode(sha256)) return refuse(`${path} has other content`)
    if (Number.parseInt(signed.mode, 8) !== mode) return refuse(`${path} has another mode`)
  }
  return Result.succeed(undefined)
}
