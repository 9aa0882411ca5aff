// What is drawn: views return values (`h`), `patch` changes the document to fit. Text is only ever text.

const SVG = "http://www.w3.org/2000/svg";
const PROPERTIES = new Set(["value", "checked", "disabled", "selected", "open"]);

/** An element as a value. `key` names it among its siblings; `hook` is called with the node when it is made. */
export function h(tag, props, ...children) {
  const { key = null, hook = null, ...rest } = props || {};
  return { tag, key, hook, props: rest, children: children.flat(Infinity).filter(isShown).map(asNode) };
}

const isShown = (child) => child !== null && child !== undefined && child !== false && child !== true;
const asNode = (child) => (typeof child === "object" ? child : { tag: null, key: null, text: String(child) });

/** Make the children of a node what `children` say, and keep the elements that are there already. */
export function patch(parent, children) {
  patchChildren(parent, parent.drawn || [], h("x", null, children).children, parent.namespaceURI === SVG);
}

function create(vnode, inSvg) {
  if (vnode.tag === null) return (vnode.node = document.createTextNode(vnode.text));
  const svg = inSvg || vnode.tag === "svg";
  const node = svg ? document.createElementNS(SVG, vnode.tag) : document.createElement(vnode.tag);
  vnode.node = node;
  for (const [name, value] of Object.entries(vnode.props)) setProp(node, name, value, undefined);
  patchChildren(node, [], vnode.children, svg);
  if (vnode.props.value !== undefined) node.value = vnode.props.value; // a select knows its options only now
  if (vnode.hook) queueMicrotask(() => vnode.hook(node));
  return node;
}

function patchChildren(parent, before, after, svg) {
  const keyed = new Map(before.filter((old) => old.key !== null).map((old) => [old.key, old]));
  const plain = before.filter((old) => old.key === null);
  let at = 0;
  const kept = new Set();
  const nodes = after.map((vnode) => {
    const old = vnode.key !== null ? keyed.get(vnode.key) : plain[at++];
    if (!old || old.tag !== vnode.tag) return create(vnode, svg);
    kept.add(old);
    update(old, vnode, svg);
    return vnode.node;
  });
  for (const old of before) if (!kept.has(old)) old.node.remove();
  let next = parent.firstChild;
  for (const node of nodes) {
    if (node === next) next = next.nextSibling;
    else parent.insertBefore(node, next);
  }
  parent.drawn = after;
}

function update(old, vnode, svg) {
  const node = (vnode.node = old.node);
  if (vnode.tag === null) {
    if (old.text !== vnode.text) node.data = vnode.text;
    return;
  }
  for (const name of Object.keys(old.props))
    if (!(name in vnode.props)) setProp(node, name, undefined, old.props[name]);
  for (const [name, value] of Object.entries(vnode.props)) {
    if (value !== old.props[name] || typeof value === "object") setProp(node, name, value, old.props[name]);
  }
  patchChildren(node, old.children, vnode.children, svg || vnode.tag === "svg");
}

function setProp(node, name, value, before) {
  if (name.startsWith("on"))
    node[name.toLowerCase()] = value ? (event) => void value(event) : null; // a false would cancel it
  else if (name === "style") setStyle(node, value || {}, before || {});
  else if (PROPERTIES.has(name)) node[name] = value ?? (name === "value" ? "" : false);
  else if (value === undefined || value === null || value === false) node.removeAttribute(name);
  else if (name === "href" && !/^(#|\.?\/?[a-z]+(\.json)?$)/.test(value)) throw new Error(`no link goes to ${value}`);
  else node.setAttribute(name, value === true ? "" : value);
}

function setStyle(node, style, before) {
  for (const name of Object.keys(before)) if (!(name in style)) node.style.removeProperty(name);
  for (const [name, value] of Object.entries(style)) if (before[name] !== value) node.style.setProperty(name, value);
}
