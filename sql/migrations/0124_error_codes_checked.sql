-- Compatible from: 0116
-- No unit has another code.
ALTER TABLE units VALIDATE CONSTRAINT units_error_code;
