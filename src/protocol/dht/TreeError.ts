/** Ways in which reading a tree can fail, each with the page that it happened to. Targets are in hex. */
import * as Schema from "effect/Schema"
import { ExitCode } from "../core/Errors.ts"

/** A page that the tree refers to is not to be had. */
export class MissingPage extends Schema.TaggedError<MissingPage>()("MissingPage", { target: Schema.String }) {
  readonly exitCode = ExitCode.network
  readonly hint =
    "Part of a long list is not in the network right now. Try again later; its publisher or a seeder can put it back."
  override get message() {
    return `No DHT node holds the page ${this.target}`
  }
}

/** A page has the right hash but is no page of such a tree: whoever signed the root made it wrong. */
export class InvalidPage extends Schema.TaggedError<InvalidPage>()("InvalidPage", {
  target: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = "It was refused. Tell the publisher, or choose another one."
  override get message() {
    return `The page ${this.target} is not valid: ${this.problem}`
  }
}

/** The tree holds more than its kind may. */
export class TreeTooLarge extends Schema.TaggedError<TreeTooLarge>()("TreeTooLarge", {
  root: Schema.String,
  limit: Schema.Int
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint =
    "It was refused, since nobody should have to read that much. Tell the publisher, or choose another one."
  override get message() {
    return `The tree at ${this.root} has more than ${this.limit} entries`
  }
}

export class TreeError extends Schema.TaggedError<TreeError>()("TreeError", {
  reason: Schema.Union([MissingPage, InvalidPage, TreeTooLarge])
}) {
  override get message() {
    return this.reason.message
  }
}
