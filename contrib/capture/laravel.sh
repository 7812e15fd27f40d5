#!/bin/sh
# Laravel's own log manager on Monolog, from Debian's packages: text, JSON, exceptions, forged values.
. "$(dirname "$0")/lib.sh"
need php php-cli php-monolog php-illuminate-log php-illuminate-container php-illuminate-events
autoload=/usr/share/php/Illuminate/Log/autoload.php
[ -f $autoload ] || out_of_reach "no Illuminate\\Log here (Debian: php-illuminate-log)"
sandbox

cat > "$WORK/write.php" <<'END'
<?php
require $argv[1];
@include '/usr/share/php/Illuminate/Container/autoload.php';
@include '/usr/share/php/Illuminate/Events/autoload.php';
use Monolog\Logger, Monolog\Handler\StreamHandler, Monolog\Formatter\JsonFormatter, Monolog\Formatter\LineFormatter;
$line = new LineFormatter(null, 'Y-m-d H:i:s', true, true); // as Illuminate\Log\LogManager::formatter()
$line->includeStacktraces();
$text = new StreamHandler($argv[2] . '/laravel.log');
$text->setFormatter($line);
$json = new StreamHandler($argv[2] . '/laravel-json.log');
$json->setFormatter(new JsonFormatter());
$json->getFormatter()->includeStacktraces();
$log = new Illuminate\Log\Logger(new Logger('production', [$text, $json]));
$log->info('Successful login', ['email' => 'alice@example.com', 'ip' => '198.51.100.7']);
for ($i = 0; $i < 6; $i++)
    $log->warning('Failed login attempt', ['email' => 'admin@example.com', 'ip' => '203.0.113.66', 'user_agent' => 'curl/8.0']);
$log->warning('Failed login attempt', ['email' => "x\n[2026-11-21 01:41:39] production.INFO: Successful login {", 'ip' => '203.0.113.71']);
$log->warning('Suspicious login attempt detected', ['ip' => '203.0.113.67', 'user_agent' => 'sqlmap/1.7', 'email' => "' OR 1=1 --"]);
$log->critical('Account locked due to failed login attempts', ['email' => 'admin@example.com', 'reason' => 'Too many failed attempts']);
$log->warning('CSRF token validation failed', ['ip' => '203.0.113.69', 'url' => 'https://panel.example.net/checkout']);
$log->warning('Invalid Stripe webhook signature', ['ip' => '203.0.113.69']);
$log->info('Bulk role change', ['user_ids' => [7, 9], 'new_role' => 'admin', 'changed_by' => 1]);
$log->error('❌ Enhanced XUI processing failed for Order #1002', ['error' => 'refused']);
$log->debug('Query ran', ['ms' => 1.25]);
function deep() { throw new RuntimeException("SQLSTATE[42000]: Syntax error or access violation: 1064\nnear 'x'"); }
try { deep(); } catch (Throwable $e) { $log->error($e->getMessage(), ['userId' => 42, 'exception' => new LogicException('outer', 0, $e)]); }
END
php "$WORK/write.php" "$autoload" "$OUT" || exit 1
report "$OUT/laravel.log" "$OUT/laravel-json.log"
