-- The operations of the engine, with presets for what is asked for most, and prices. The version
-- before stops at a name that it does not know: end its processes before this. From here on
-- names that are not known are left out.

INSERT INTO operations (name, max_bytes, max_pixels, max_side, pricing) VALUES
    ('restore',   33554432, 16777216, 8192, 'megapixel'),
    ('scratches', 33554432, 16777216, 8192, 'megapixel'),
    ('tone',      33554432, 16777216, 8192, 'megapixel'),
    ('enhance',   33554432, 16777216, 8192, 'megapixel'),
    ('faces',     33554432, 16777216, 8192, 'megapixel'),
    ('colourise', 33554432, 16777216, 8192, 'megapixel');

INSERT INTO presets (name, account_id, operation, parameters) VALUES
    ('upscale-photo-x2',       NULL, 'upscale',   '{"model": "photo", "factor": 2}'),
    ('upscale-photo-x8',       NULL, 'upscale',   '{"model": "photo", "factor": 8}'),
    ('upscale-fast-x2',        NULL, 'upscale',   '{"model": "fast", "factor": 2}'),
    ('upscale-photo-light-x2', NULL, 'upscale',   '{"model": "photo-light", "factor": 2}'),
    ('upscale-anime-light-x2', NULL, 'upscale',   '{"model": "anime-light", "factor": 2}'),
    ('restore',                NULL, 'restore',   '{"model": "photo"}'),
    ('restore-anime',          NULL, 'restore',   '{"model": "anime"}'),
    ('scratches',              NULL, 'scratches', '{}'),
    ('tone',                   NULL, 'tone',      '{}'),
    ('old-photo',              NULL, 'enhance',   '{"kind": "old-photo"}'),
    ('document',               NULL, 'enhance',   '{"kind": "document"}'),
    ('product',                NULL, 'enhance',   '{"kind": "product", "factor": 2}'),
    ('anime',                  NULL, 'enhance',   '{"kind": "anime", "factor": 2}'),
    ('faces',                  NULL, 'faces',     '{}'),
    ('colourise',              NULL, 'colourise', '{}');

INSERT INTO prices (operation, unit, amount, effective_from, announced_at) VALUES
    ('restore',   'CNY', 1000, '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z'),
    ('scratches', 'CNY', 1000, '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z'),
    ('tone',      'CNY', 300,  '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z'),
    ('enhance',   'CNY', 3000, '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z'),
    ('faces',     'CNY', 2000, '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z'),
    ('colourise', 'CNY', 2000, '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z');
