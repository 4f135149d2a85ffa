/** `records.json`: what is a package name and what a version, wherever a record has one. */
import type { Json } from "./Cast.ts"

const taken = (texts: ReadonlyArray<string>): ReadonlyArray<Json> => texts.map((text) => ({ text, valid: true }))

const refused = (text: string, reason: string): Json => ({ text, valid: false, reason })

export const names: ReadonlyArray<Json> = [
  ...taken([
    "a",
    "left-pad",
    "@scope/left_pad",
    "7zip",
    "lodash.debounce",
    "a-",
    "@_scope/-a",
    "events",
    "console",
    "n".repeat(214)
  ]),
  refused("", "a name is not empty"),
  refused("n".repeat(215), "a name has at most 214 characters"),
  refused("Left-Pad", "no capital letters"),
  refused("_left-pad", "a name without a scope does not begin with an underscore"),
  refused("-left-pad", "a name without a scope does not begin with a hyphen"),
  refused(".left-pad", "no part begins with a dot"),
  refused("left-pad.", "no part ends with a dot"),
  refused("../left-pad", "a slash stands after a scope only"),
  refused("@scope", "a scope is followed by a name"),
  refused("@scope/", "no part is empty"),
  refused("@/left-pad", "no part is empty"),
  refused("@scope/left/pad", "one slash at most"),
  refused("left pad", "no white space"),
  refused("left\u0000pad", "no control characters"),
  refused("left~pad", "letters, digits, dots, underscores and hyphens only"),
  refused("pàd", "ASCII only"),
  refused("node_modules", "the name of Node's own directory"),
  refused("@scope/favicon.ico", "a name that web servers are asked for"),
  refused("con.js", "the name of a Windows device, with an extension"),
  refused("@nul/left-pad", "the name of a Windows device")
]

export const versions: ReadonlyArray<Json> = [
  ...taken([
    "0.0.0",
    "1.2.3",
    "1.0.0-rc.1",
    "1.0.0-0.a-b.--",
    "1.0.0+001",
    "1.0.0-rc.1+build.5",
    "9007199254740991.0.0",
    `1.0.0-${"x".repeat(250)}`
  ]),
  refused("", "three numbers"),
  refused("1.2", "three numbers"),
  refused("1.2.3.4", "three numbers"),
  refused("v1.2.3", "no prefix"),
  refused("=1.2.3", "no prefix"),
  refused(" 1.2.3", "no white space"),
  refused("1.2.3\n", "no white space"),
  refused("01.2.3", "no number begins with 0"),
  refused("1.0.0-01", "no numeric identifier of a pre-release begins with 0"),
  refused("1.0.0-", "no identifier is empty"),
  refused("1.0.0-a..b", "no identifier is empty"),
  refused("1.0.0+", "no identifier is empty"),
  refused("1.0.0-rc_1", "letters, digits and hyphens only"),
  refused("-1.0.0", "no signs"),
  refused("9007199254740992.0.0", "a number is at most 2^53 - 1"),
  refused(`1.0.0-${"x".repeat(251)}`, "at most 256 characters"),
  refused("^1.2.3", "a range is no version"),
  refused("latest", "a tag is no version")
]
