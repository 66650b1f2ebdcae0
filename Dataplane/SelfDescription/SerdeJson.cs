using System.Buffers;
using System.Globalization;
using System.Text;

namespace FastExit.SelfDescription;

/// <summary>
/// JSON, byte for byte as Rust's serde_json writes it compactly (mix-link.md §6.2), because signatures are over these bytes and the
/// verifier writes them anew: no white space; escaped are quotation mark, backslash and control characters below U+0020 alone, as
/// `\b \f \n \r \t` or `\u00xx` in lower case; everything else is UTF-8.
/// </summary>
internal sealed class SerdeJson
{
    private static readonly SearchValues<byte> s_escaped = SearchValues.Create([.. Enumerable.Range(0, 0x20).Select(i => (byte)i), (byte)'"', (byte)'\\']);

    private readonly ArrayBufferWriter<byte> _text = new(1024);
    private bool _comma;

    public ReadOnlySpan<byte> Written => _text.WrittenSpan;

    public byte[] ToArray() => _text.WrittenSpan.ToArray();

    /// <summary>One value written by <paramref name="write"/> alone.</summary>
    public static byte[] Of(Action<SerdeJson> write)
    {
        var json = new SerdeJson();
        write(json);
        return json.ToArray();
    }

    public SerdeJson StartObject() => Start((byte)'{');

    public SerdeJson EndObject() => End((byte)'}');

    public SerdeJson StartArray() => Start((byte)'[');

    public SerdeJson EndArray() => End((byte)']');

    public SerdeJson Name(string name)
    {
        Value(name);
        _text.Write(":"u8);
        _comma = false;
        return this;
    }

    /// <summary>Null is written as `null`.</summary>
    public SerdeJson Value(string? text)
    {
        if (text is null)
            return Null();
        Separate();
        _text.Write("\""u8);
        ReadOnlySpan<byte> rest = Encoding.UTF8.GetBytes(text);
        for (int at; (at = rest.IndexOfAny(s_escaped)) >= 0; rest = rest[(at + 1)..])
        {
            _text.Write(rest[..at]);
            Escape(rest[at]);
        }

        _text.Write(rest);
        _text.Write("\""u8);
        return this;
    }

    public SerdeJson Value(bool value) => Raw(value ? "true"u8 : "false"u8);

    public SerdeJson Value(long value) => Raw(Encoding.ASCII.GetBytes(value.ToString(CultureInfo.InvariantCulture)));

    public SerdeJson Null() => Raw("null"u8);

    /// <summary>A value that is compact JSON already.</summary>
    public SerdeJson Raw(ReadOnlySpan<byte> json)
    {
        Separate();
        _text.Write(json);
        return this;
    }

    private SerdeJson Start(byte bracket)
    {
        Separate();
        _text.Write([bracket]);
        _comma = false;
        return this;
    }

    private SerdeJson End(byte bracket)
    {
        _text.Write([bracket]);
        _comma = true;
        return this;
    }

    private void Separate()
    {
        if (_comma)
            _text.Write(","u8);
        _comma = true;
    }

    private void Escape(byte character)
    {
        ReadOnlySpan<byte> digits = "0123456789abcdef"u8;
        ReadOnlySpan<byte> escape = character switch
        {
            (byte)'"' => "\\\""u8,
            (byte)'\\' => "\\\\"u8,
            (byte)'\b' => "\\b"u8,
            (byte)'\f' => "\\f"u8,
            (byte)'\n' => "\\n"u8,
            (byte)'\r' => "\\r"u8,
            (byte)'\t' => "\\t"u8,
            _ => [(byte)'\\', (byte)'u', (byte)'0', (byte)'0', digits[character >> 4], digits[character & 15]],
        };
        _text.Write(escape);
    }
}
