/** What the server offers, from its OpenRPC document: methods, who may call them, notifications. */

/**
 * @typedef {{name: string, description?: string, required: boolean, deprecated?: boolean, schema: any}} Param
 * @typedef {{name: string, description: string, params: Param[], result: any, "x-permissionScope": string, "x-access": string}} Method
 * @typedef {{name: string, description: string, params: Param[]}} Notification
 */

export class Contract {
  /** @param {any} document */
  constructor(document) {
    /** @type {Map<string, Method>} */
    this.methods = new Map(document.methods.map((/** @type {Method} */ method) => [method.name, method]));
    /** @type {Map<string, Notification>} */
    this.notifications = new Map(document["x-notifications"].map((/** @type {Notification} */ notification) => [notification.name, notification]));
    this.schemas = document.components.schemas;
  }

  /** The scope that a method needs; "PermissionScopeAdmin" for one that is not known. @param {string} method */
  scopeOf(method) {
    return this.methods.get(method)?.["x-permissionScope"] ?? "PermissionScopeAdmin";
  }

  /** @param {string} name */
  hasNamespace(name) {
    return [...this.methods.keys()].some((method) => method.startsWith(`${name}.`));
  }

  /** @param {string} method */
  paramNames(method) {
    return this.methods.get(method)?.params.map((param) => param.name);
  }

  /** A schema with its reference followed. @param {any} schema @returns {any} */
  resolve(schema) {
    const name = schema?.$ref?.split("/").at(-1);
    return name ? { ...this.schemas[name], ...Object.fromEntries(Object.entries(schema).filter(([key]) => key !== "$ref")) } : schema ?? {};
  }
}
