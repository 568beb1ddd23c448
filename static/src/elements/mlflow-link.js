/** <mlflow-link runs="/w/…/runs" experiments="/mlflow/…/">: follows the links that MLflow's client prints. */
class MlflowLink extends HTMLElement {
  connectedCallback() {
    const [, experiment, run] = /^#\/experiments\/(\d+)(?:\/runs\/([\w-]+))?/.exec(location.hash) || [];
    if (run) location.replace(`${this.getAttribute("runs")}/${run}`);
    else if (experiment) location.replace(`${this.getAttribute("experiments")}?experiment=${experiment}`);
  }
}

customElements.define("mlflow-link", MlflowLink);
