//! What the actor lived through, as offline learners read it: `trade/<id>/experience.parquet`.
//!
//! A step is written when the next one of its market comes, because only then is its reward known.

use crate::actor::{ActorSpec, Deed, Ended, Outcome, Reason, Verdict};
use crate::dataset::DatasetError;
use crate::dataset::experience::{ExperienceWriter, Origin, Step};
use crate::env::action::HOLD;
use crate::units::TsUs;
use std::collections::BTreeMap;
use std::path::Path;

/// Steps of a session on their way into a file.
pub(super) struct Lived {
    writer: ExperienceWriter,
    /// The last step of each market, and the profit at its decision.
    open: BTreeMap<String, (Step, i64)>,
}

impl Lived {
    /// Begins `experience.parquet` in `dir`.
    pub(super) fn create(
        dir: &Path,
        spec: &ActorSpec,
        source: &str,
        model_hash: &str,
    ) -> Result<Lived, DatasetError> {
        let (layout, set) = (spec.env.layout, &spec.env.actions);
        let actions: Vec<String> = (0..set.len() as u32).map(|action| set.name(action)).collect();
        let (name, hash) = (layout.to_string(), layout.hash());
        let origin = Origin { source, layout: (&name, &hash), actions: &actions, model_hash };
        let path = dir.join("experience.parquet");
        let writer = ExperienceWriter::create(&path, layout.len(), &origin)?;
        Ok(Lived { writer, open: BTreeMap::new() })
    }

    /// Adds what a record led to.
    pub(super) fn push(&mut self, out: &Outcome) -> Result<(), DatasetError> {
        out.deeds.iter().try_for_each(|deed| self.deed(deed))?;
        out.verdicts.iter().for_each(|verdict| self.verdict(verdict));
        out.ends.iter().try_for_each(|ended| self.ended(ended))
    }

    /// Writes the rest: what came of the last steps will not be known any more.
    pub(super) fn finish(mut self) -> Result<(), DatasetError> {
        for (step, _) in std::mem::take(&mut self.open).into_values() {
            self.writer.push(Step { is_truncated: true, ..step })?;
        }
        self.writer.finish()
    }

    fn deed(&mut self, deed: &Deed) -> Result<(), DatasetError> {
        if deed.reason == Reason::Withdrawn {
            return Ok(());
        }
        // An exit was nobody's choice: what it earns is not the policy's.
        let forced = deed.reason == Reason::Exit;
        if let Some((step, profit_e6)) = self.open.remove(&deed.ticker) {
            let reward_e6 = deed.profit_e6 - profit_e6;
            self.writer.push(Step { reward_e6, is_truncated: forced, ..step })?;
        }
        if !forced {
            let action = if deed.reason.holds_back() { HOLD } else { deed.action };
            let step = Step {
                row_id: deed.row_id,
                ts: TsUs::from_ms(deed.ts_ms),
                ticker: deed.ticker.clone(),
                obs: deed.obs.clone(),
                mask: deed.mask.clone(),
                action,
                model_hash: deed.model_hash.clone(),
                reward_e6: 0,
                is_terminal: false,
                is_truncated: false,
            };
            self.open.insert(deed.ticker.clone(), (step, deed.profit_e6));
        }
        Ok(())
    }

    /// What the desk kept back was not done: nothing was.
    fn verdict(&mut self, verdict: &Verdict) {
        let last = self.open.get_mut(&verdict.ticker).map(|(step, _)| step);
        if let Some(step) = last.filter(|step| verdict.refused && step.row_id == verdict.row_id) {
            step.action = HOLD;
        }
    }

    fn ended(&mut self, ended: &Ended) -> Result<(), DatasetError> {
        let Some((step, profit_e6)) = self.open.remove(&ended.ticker) else { return Ok(()) };
        let reward_e6 = ended.profit_e6 - profit_e6;
        self.writer.push(Step { reward_e6, is_terminal: true, ..step })
    }
}
