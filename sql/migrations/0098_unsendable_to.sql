-- Nodes that a unit could not be sent to because of their connection. None of them ever had it: that is no try
-- of the unit and no failure of the node. After three different nodes the unit is tried once a minute.
ALTER TABLE units ADD COLUMN unsendable_to uuid[] NOT NULL DEFAULT '{}';
