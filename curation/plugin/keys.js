// Keys for the operators of @curate/review. FiftyOne binds none to operators of Python plugins; this listens itself.
// Nothing happens while somebody types, edits boxes, or has a form open. Beside an open picture stands the panel, unless
// somebody has arranged the App otherwise: where FiftyOne keeps that layout, it is written once.
(() => {
  const PLUGIN = "@curate/review/";
  const KEYS = {
    a: ["accept"],
    d: ["reject", null],
    e: ["extra_object"],
    u: ["undo"],
    n: ["next"],
    k: ["keep_label"],
    f: ["set_suggested"],
    x: ["delete_label"],
    l: ["labelled"],
    1: ["reject", { reason: "wrong class" }],
    2: ["reject", { reason: "box does not fit" }],
    3: ["reject", { reason: "extra object" }],
    4: ["reject", { reason: "looks unreal" }],
    5: ["reject", { reason: "too small" }],
  };

  const isTyping = (target) => target?.closest?.("input, textarea, select, [contenteditable=true], [role=dialog]");
  const dataset = () => decodeURIComponent(location.pathname.split("/datasets/")[1] ?? "");
  const isAnnotating = () =>
    new URLSearchParams(location.search).has("id") && localStorage.getItem(`${dataset()}_modalMode`) === '"annotate"';

  const panel = (type, pinned) => ({ id: type, children: [], type, pinned });
  const space = (id, type, pinned) => ({ id, children: [panel(type, pinned)], type: "panel-container", activeChild: type });
  const LAYOUT = "fo-sample-modal-plugins";
  if (!localStorage.getItem(LAYOUT)) {
    const layout = {
      id: "root",
      children: [space("left", "fo-sample-modal-plugin", true), space("right", "curate", false)],
      type: "panel-container",
      layout: "horizontal",
      activeChild: "fo-sample-modal-plugin",
      sizes: [0.58, 0.42],
    };
    localStorage.setItem(LAYOUT, JSON.stringify(layout));
  }

  // The App keeps an opened picture as it first saw it, so that its own edits would be refused after a decision: let it
  // know of ours, unless somebody has changed boxes meanwhile, which it must find out by itself. Where we changed boxes
  // ourselves, `fields` has all of them.
  const boxesOf = (sample) =>
    JSON.stringify((sample.ground_truth?.detections ?? []).map((box) => [box._id ?? box.id, box.label, box.bounding_box]));
  class ShowCurrent extends window.__foo__.Operator {
    get config() {
      return new window.__foo__.OperatorConfig({ name: "show_current", label: "Curate: show what is new", unlisted: true });
    }
    useHooks() {
      return { refresh: window.__fos__.useRefreshSample() };
    }
    async execute({ hooks, params, state }) {
      const sample = (await state.snapshot.getPromise(window.__fos__.modalSample))?.sample;
      const { _id, modified_ms, boxes, fields, ...shown } = params;
      if (sample?._id !== _id || (!fields && boxesOf(sample) !== JSON.stringify(boxes))) return;
      for (const [field, ours] of Object.entries(fields ?? {})) {
        const known = new Map((sample[field]?.detections ?? []).map((box) => [box._id ?? box.id, box]));
        const detections = ours.map((box) => ({ ...known.get(box._id), ...box }));
        shown[field] = { ...(sample[field] ?? { _cls: "Detections" }), detections };
      }
      const last_modified_at = { ...sample.last_modified_at, datetime: modified_ms };
      hooks.refresh({ ...sample, ...shown, last_modified_at });
    }
  }
  window.__foo__.registerOperator(ShowCurrent, "@curate/review");

  document.addEventListener(
    "keydown",
    (event) => {
      const bound = KEYS[event.key];
      if (!bound || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
      if (isTyping(event.target) || isAnnotating()) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      const [name, params = {}] = bound;
      if (params === null) {
        window.__foo__.executeOperator("prompt_user_for_operation", { operator_uri: PLUGIN + name });
      } else {
        window.__foo__.executeOperator(PLUGIN + name, params);
      }
    },
    true,
  );
})();
