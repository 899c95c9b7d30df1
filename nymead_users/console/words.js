/** What is said to people: names, times, and what went wrong. */

import { CODES, Lost, Refused } from "./connection.js";

/** The user whom a press of the button makes has no name to sign in with. */
export const NAMELESS = "Push-button access";

/** @param {string} username */
export const nameOf = (username) => username || NAMELESS;

/** @param {number} seconds since the epoch */
export const dateOf = (seconds) => new Date(seconds * 1000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

/** @param {number} milliseconds since the epoch */
export const clockOf = (milliseconds) => new Date(milliseconds).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

const OUTCOMES = /** @type {Record<string, string>} */ ({
  UserErrorBackendError: "Could not be stored. Nothing changed.",
  UserErrorInvalidUserId: "The server does not know this username.",
  UserErrorDuplicateUserId: "This username is taken.",
  UserErrorBadPassword: "This password does not meet the rules.",
  UserErrorTokenNotFound: "This device was signed out already.",
  UserErrorPermissionDenied: "The server does not permit this.",
  UserErrorInconsistantScopes: "These permissions don't go together.",
  BackendError: "Could not be stored. Nothing changed.",
  PermissionDenied: "The server does not permit this.",
  OwnerNotFound: "There is no such site any more.",
  LockNotFound: "There is no such lock any more.",
  LockGroupNotFound: "There is no such group any more.",
  PersonNotFound: "There is no such person any more.",
  CredentialNotFound: "There is no such credential any more.",
  GrantNotFound: "There is no such grant any more.",
  MembershipNotFound: "This lock has left already.",
  Duplicate: "There is one like this already.",
});

/** A text as a sentence. @param {string} text */
export const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;

/** An outcome in words, the server's own where it has some; "" where all is well. @param {string} error @param {string} [message] */
export function outcomeWords(error, message) {
  if (error.endsWith("NoError")) return "";
  if (message) return sentence(message);
  return OUTCOMES[error] ?? OUTCOMES[error.replace(/^.*Error(?=[A-Z])/, "")] ?? error;
}

/** Why a call failed, in words. @param {unknown} error */
export function reasonOf(error) {
  if (error instanceof Lost) return error.message;
  if (error instanceof Refused) {
    if (error.code === CODES.internal) return `Server error, ${error.data.reference ?? "without reference"}.`;
    if (error.data.reason) return `${error.data.reason}.`;
    return error.message;
  }
  return String(error instanceof Error ? error.message : error);
}
