import { describe } from "@effect/vitest"
import * as Programs from "./Programs.ts"

describe("the guide for tool authors", () => {
  Programs.suite("library", 4)
})
